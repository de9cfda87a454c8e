"""The motion stage's speed beside transformers' GPT-2, same weights: python -m benchmarks.motion --out FILE.json

Sampling greedily at batch 1 and 8, one training step, the decoding step's share of the memory's bandwidth, and the time
to compile the sampler at medium size. Both sides run in one process, in turn; medians. Needs the extra `parity`.
"""

import functools
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import torch
import transformers
from absl import flags

from configs import motion
from data_pipeline.media import write_atomically
from launch import build, cli
from xdancer_jax.losses import cross_entropy
from xdancer_jax.models import music_decoder
from xdancer_jax.models.music_gpt import MusicGPT
from xdancer_jax.pretrained import gpt2
from xdancer_jax.sharding import unbox
from xdancer_jax.stages import motion_sampling
from xdancer_jax.train import trees
from xdancer_jax.typing import Params

_OUT = flags.DEFINE_string("out", None, "File to write (.json).")
_FRAMES = flags.DEFINE_integer("frames", 4, "Frames of 30 tokens that are sampled.", lower_bound=1)
_REPEATS = flags.DEFINE_integer("repeats", 3, "Of each measurement.", lower_bound=1)
flags.mark_flag_as_required("out")

WORDS, FEATURES, GREEDY = 512, 35, ((1.0, 1, 1.0),)


def model(**changes) -> MusicGPT:
    """GPT-2 small in one part, whose slots can be those of a language model."""
    fields = motion.get_config("small").model.to_dict() | {"num_parts": 1, "tokens_per_part": 30, "remat": "none"}
    return MusicGPT(**(fields | changes))


def medians(*runs: Callable[[], None]) -> list[float]:
    """Seconds of each, the median of `repeats` turns after one that is not counted."""
    seconds = [[] for _ in runs]
    for turn in range(_REPEATS.value + 1):
        for run, found in zip(runs, seconds, strict=True):
            began = time.perf_counter()
            run()
            if turn:
                found.append(time.perf_counter() - began)
    return [statistics.median(found) for found in seconds]


def shapes(of: MusicGPT) -> Params:
    """Abstract parameters."""
    ints, floats = jnp.int32, jnp.float32
    frames = (of.num_parts, of.tokens_per_part)
    arguments = (
        jnp.zeros((1, of.segment_frames, *frames), ints), jnp.zeros((1, of.context_frames, *frames), ints),
        jnp.zeros((1, of.context_frames), ints), jnp.zeros((1, of.segment_frames, FEATURES), floats),
        jnp.zeros((1, of.global_tokens, FEATURES), floats),
    )
    return jax.eval_shape(lambda: unbox(of.init(jax.random.key(0), *arguments)))["params"]


def pair(of: MusicGPT) -> tuple[Params, transformers.GPT2LMHeadModel]:
    """Our parameters and their model: the same weights; words in place of slots with music."""
    torch.manual_seed(0)
    theirs = transformers.GPT2LMHeadModel(transformers.GPT2Config(
        vocab_size=WORDS, n_positions=of.num_positions, n_embd=of.width, n_layer=of.num_layers, n_head=of.num_heads,
        bos_token_id=None, eos_token_id=None, pad_token_id=0, attn_pdrop=0.0,
    ))
    tensors = {name.removeprefix("transformer."): x.detach().numpy() for name, x in theirs.state_dict().items()}
    arrays = gpt2.from_public(tensors, of.num_layers, of.width, of.num_positions)
    words = tensors["wte.weight"]
    ours = {name: np.zeros(leaf.shape, np.float32) for name, leaf in trees.by_path(shapes(of)).items()}
    ours |= arrays | {"token_table": words, "heads": words.T[None].copy()}
    ours["input_projection/kernel"][: of.width] = np.eye(of.width)
    return jax.tree.map(jnp.asarray, trees.nested(ours, [])), theirs


def decoding(of: MusicGPT, params: Params, theirs: transformers.GPT2LMHeadModel, rows: int) -> dict[str, float]:
    """Tokens a second of both, after a prompt of context and one frame; the tokens must be the same."""
    count, size = _FRAMES.value, of.frame_tokens
    prompt = np.random.default_rng(0).integers(0, WORDS, (rows, of.context_frames + 1, 1, size)).astype(np.int32)
    silence, one = (np.zeros((rows, n, of.width), np.float32) for n in (of.context_frames, 1))
    song = np.zeros((rows, 0, FEATURES), np.float32)
    weights = motion_sampling._arrange(of, params)
    made, words = [], []

    def ours() -> None:
        context, first = prompt[:, :-1], prompt[:, -1:]
        cache = motion_sampling._prefill(of, None, params, first, context, silence, song, one)
        last, drawn = first.reshape(rows, -1)[:, -1], []
        for frame in range(1, count + 1):
            place = np.array([frame, frame], np.int32)
            tokens, cache = motion_sampling._frame(
                of, GREEDY, None, weights, place, last, one[:, 0], np.zeros(rows, np.uint32), cache
            )
            last = tokens[:, -1]
            drawn.append(tokens)
        made[:] = [np.concatenate(drawn, axis=1)]

    def reference() -> None:
        ids = torch.from_numpy(prompt.reshape(rows, -1).astype(np.int64))
        with torch.no_grad():
            out = theirs.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=count * size, min_new_tokens=count * size,
                do_sample=False, use_cache=True,
            )
        words[:] = [out[:, ids.shape[1] :].numpy()]

    mine, other = medians(ours, reference)
    total = rows * count * size
    return {
        "ratio": other / mine, "tokens_per_second": total / mine, "transformers_tokens_per_second": total / other,
        "equal_tokens": float(np.mean(made[0] == words[0])),
    }


def bandwidth() -> float:
    """Bytes a second that a sum over 400 MB reads on all cores: the better of torch's and XLA's."""
    ours, theirs = jnp.ones(100_000_000), torch.ones(100_000_000)
    total = jax.jit(jnp.sum)
    return ours.nbytes / min(medians(lambda: total(ours).block_until_ready(), lambda: theirs.sum()))


def decode_step(of: MusicGPT, params: Params) -> dict[str, float]:
    """Seconds of a token in the middle of a segment, and the bytes of weights and of known cache over them."""
    weights, row = motion_sampling._arrange(of, params), jnp.zeros((1, of.width))
    shape = (1, of.num_heads, of.width // of.num_heads, of.num_positions)
    place = np.array([of.segment_frames // 2] * 2, np.int32)
    state = [tuple((jnp.zeros(shape), jnp.zeros(shape)) for _ in range(of.num_layers))]

    def run() -> None:
        drawn, state[0] = motion_sampling._frame(
            of, GREEDY, None, weights, place, np.zeros(1, np.int32), row, np.zeros(1, np.uint32), state[0]
        )
        drawn.block_until_ready()

    seconds = medians(run)[0] / of.frame_tokens
    known = (of.prefix + int(place[1]) * of.frame_tokens) / of.num_positions
    read = sum(x.nbytes for x in jax.tree.leaves((weights.layers, weights.heads)))
    read += known * sum(x.nbytes for x in jax.tree.leaves(state[0]))
    return {"seconds": seconds, "bytes": read, "bytes_per_second": read / seconds}


def train_step(of: MusicGPT, params: Params, theirs: transformers.GPT2LMHeadModel) -> dict[str, float]:
    """One step of AdamW on 512 slots; the ratio is ours over theirs."""
    optimizer = build.optimizer(motion.get_config("small"))
    tokens = jnp.asarray(np.random.default_rng(0).integers(0, WORDS, (1, of.segment_frames, 1, 30)), jnp.int32)
    context, index = jnp.zeros((1, 8, 1, 30), jnp.int32), jnp.zeros((1, 8), jnp.int32)
    music, song = jnp.zeros((1, of.segment_frames, FEATURES)), jnp.zeros((1, of.global_tokens, FEATURES))

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(params, moments, key):
        def loss(params):
            logits = of.apply({"params": params}, tokens, context, index, music, song, True, rngs={"dropout": key})
            return cross_entropy(logits, tokens).mean()

        value, gradients = jax.value_and_grad(loss)(params)
        updates, moments = optimizer.transform.update(gradients, moments, params)
        return jax.tree.map(jnp.add, params, updates), moments, value

    params = jax.tree.map(jnp.copy, params)
    state = [params, optimizer.transform.init(params)]

    def ours() -> None:
        *state[:], value = step(*state, jax.random.key(0))
        value.block_until_ready()

    theirs.train()
    adamw, words = torch.optim.AdamW(theirs.parameters(), lr=1e-4), torch.randint(0, WORDS, (1, of.num_positions))

    def reference() -> None:
        theirs(words, labels=words).loss.backward()
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 1.0)
        adamw.step()
        adamw.zero_grad()

    mine, other = medians(ours, reference)
    return {"ratio": mine / other, "seconds": mine, "transformers_seconds": other}


def compile_seconds(of: MusicGPT) -> float:
    """Tracing and compiling all functions of the sampler for one song, at the paper's overlap."""
    began, params = time.perf_counter(), shapes(of)
    weights = jax.eval_shape(functools.partial(music_decoder.arrange, of), params)
    motion_sampling._arrange.lower(of, params).compile()
    frames, row = (of.num_parts, of.tokens_per_part), jax.ShapeDtypeStruct((1, of.width), jnp.float32)
    shape = jax.ShapeDtypeStruct
    rows = (
        shape((1, 12, *frames), jnp.int32), shape((1, of.context_frames, *frames), jnp.int32),
        shape((1, of.context_frames, of.width), jnp.float32), shape((1, of.global_tokens, FEATURES), jnp.float32),
        shape((1, 12, of.width), jnp.float32),
    )
    motion_sampling._prefill.lower(of, None, params, *rows).compile()
    cache = jax.eval_shape(lambda p, *r: motion_sampling._prefill(of, None, p, *r), params, *rows)
    settings = motion_sampling.Sampling(top_p=(0.95,)).of_parts(of.num_parts)
    motion_sampling._frame.lower(
        of, tuple(settings), None, weights, shape((2,), jnp.int32), shape((1,), jnp.int32), row,
        shape((1,), jnp.uint32), cache,
    ).compile()
    return time.perf_counter() - began


def main(argv: list[str]) -> None:
    del argv
    sampled = model(global_music=False)
    params, theirs = pair(sampled)
    theirs.eval()
    found = {"decode_b1": decoding(sampled, params, theirs, 1), "decode_b8": decoding(sampled, params, theirs, 8)}
    found["decode_step"] = decode_step(sampled, params)
    found["bandwidth_bytes_per_second"] = bandwidth()
    trained = model(motion_context=False, global_tokens=32, segment_frames=16)
    found["train_step"] = train_step(trained, *pair(trained))
    found["sampler_compile_seconds"] = compile_seconds(MusicGPT(**motion.get_config("medium").model.to_dict()))
    found |= {
        "decode_b1_ratio": found["decode_b1"]["ratio"], "decode_b8_ratio": found["decode_b8"]["ratio"],
        "train_step_ratio": found["train_step"]["ratio"],
        "decode_bandwidth_fraction": found["decode_step"]["bytes_per_second"] / found["bandwidth_bytes_per_second"],
        "seconds_of_dance_a_second": found["decode_b1"]["tokens_per_second"] / (30 * sampled.frame_tokens),
        "frames": _FRAMES.value, "repeats": _REPEATS.value, "jax": jax.__version__, "torch": torch.__version__,
        "transformers": transformers.__version__, "threads": torch.get_num_threads(),
    }
    text = json.dumps(found, indent=2)
    write_atomically(Path(_OUT.value), (text + "\n").encode())
    print(text)


if __name__ == "__main__":
    cli.run(main)
