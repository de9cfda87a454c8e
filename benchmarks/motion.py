"""The motion stage's speed beside transformers' GPT-2, same weights: python -m benchmarks.motion --out FILE.json

Greedy sampling at batch 1 and 8, the decoding step's share of the memory's bandwidth and one training step; then, ours
alone, how much dance a second gives at each size, and the time to compile the sampler at medium size. Both sides run in
one process, in turn, with our commands' allocator settings (launch/shell/memory.py); medians. Needs the extra `parity`.
"""

import functools
import json
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import torch
import transformers
from absl import flags

from benchmarks.sampler import FEATURES, Dancing, compile_seconds, decode_step, real_time, shapes
from benchmarks.timing import bandwidth, medians
from configs import motion
from data_pipeline.files import write_atomically
from launch.runs import build
from launch.shell import cli, outputs
from xdancer_jax.losses import cross_entropy
from xdancer_jax.models.music_gpt import MusicGPT
from xdancer_jax.pretrained.gpt2 import GPT2
from xdancer_jax.pretrained.table import Source
from xdancer_jax.pretrained.tensors import Tensor
from xdancer_jax.rng import Chance
from xdancer_jax.train import trees
from xdancer_jax.typing import Params

_OUT = flags.DEFINE_string("out", None, "File to write (.json).")
_FRAMES = flags.DEFINE_integer("frames", 12, "Frames of 30 tokens that are sampled side by side.", lower_bound=1)
_REPEATS = flags.DEFINE_integer("repeats", 5, "Of each measurement.", lower_bound=1)
flags.mark_flag_as_required("out")

WORDS = 512
RATE = 1e-4  # of training


def model(**changes) -> MusicGPT:
    """GPT-2 small in one part, whose slots can be those of a language model."""
    fields = motion.get_config("small").model.to_dict() | {"num_parts": 1, "tokens_per_part": 30, "remat": "none"}
    return MusicGPT(**(fields | changes))


def pair(of: MusicGPT) -> tuple[Params, transformers.GPT2LMHeadModel]:
    """Our parameters and their model: the same weights; words in place of slots with music."""
    torch.manual_seed(0)
    theirs = transformers.GPT2LMHeadModel(transformers.GPT2Config(
        vocab_size=WORDS, n_positions=of.num_positions, n_embd=of.width, n_layer=of.num_layers, n_head=of.num_heads,
        bos_token_id=None, eos_token_id=None, pad_token_id=0, attn_pdrop=0.0,
    ))
    tensors = {name.removeprefix("transformer."): x.detach().numpy() for name, x in theirs.state_dict().items()}
    words = tensors["wte.weight"]
    ours = {name: np.zeros(leaf.shape, np.float32) for name, leaf in trees.by_path(shapes(of)).items()}
    ours |= _read(tensors, ours) | {"token_table": words, "heads": words.T[None].copy()}
    ours["input_projection/kernel"][: of.width] = np.eye(of.width)
    return jax.tree.map(jnp.asarray, trees.nested(ours)), theirs


def _read(tensors: dict[str, np.ndarray], ours: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """GPT-2's `tensors` as arrays by path of ours, on the host."""
    found = {name: Tensor(x.shape, x.dtype, lambda x=x: x) for name, x in tensors.items()}
    place = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    wanted = {f"params/gpt/{path}": jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place) for path, x in ours.items()}
    read = Source(GPT2, Path("transformers"), found, {}).read(wanted)
    return {path.removeprefix("params/gpt/"): np.array(x) for path, x in read.items()}


def decoding(dancing: Dancing, prompt: np.ndarray, theirs: transformers.GPT2LMHeadModel) -> dict[str, float]:
    """Tokens a second of both after the same prompt, its pass included."""
    made, rows, count = [None, None], len(prompt), _FRAMES.value * dancing.model.frame_tokens

    def ours() -> None:
        made[0] = dancing.segment(_FRAMES.value)

    def reference() -> None:
        ids = torch.from_numpy(prompt.reshape(rows, -1).astype(np.int64))
        with torch.no_grad():
            out = theirs.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, min_new_tokens=count, do_sample=False,
                use_cache=True,
            )
        made[1] = out[:, ids.shape[1] :].numpy()

    mine, other = medians(_REPEATS.value, ours, reference)
    return {
        "ratio": other / mine, "tokens_per_second": rows * count / mine,
        "transformers_tokens_per_second": rows * count / other, "equal_tokens": float(np.mean(made[0] == made[1])),
    }


def train_step(of: MusicGPT, params: Params, theirs: transformers.GPT2LMHeadModel) -> dict[str, float]:
    """One step of AdamW on 512 slots; the ratio is ours over theirs."""
    optimizer = build.optimizer(motion.get_config("small"))
    tokens = jnp.asarray(np.random.default_rng(0).integers(0, WORDS, (1, of.segment_frames, 1, 30)), jnp.int32)
    context, index = jnp.zeros((1, 8, 1, 30), jnp.int32), jnp.zeros((1, 8), jnp.int32)
    music, song = jnp.zeros((1, of.segment_frames, FEATURES)), jnp.zeros((1, of.global_tokens, FEATURES))

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(params, moments, key):
        def loss(params):
            chance = Chance.whole(key, 1)
            logits = of.apply({"params": params}, tokens, context, index, music, song, chance, rngs={"dropout": key})
            return cross_entropy(logits, tokens).mean()

        value, gradients = jax.value_and_grad(loss)(params)
        updates, moments = optimizer.transform.update(gradients, moments, params)
        return jax.tree.map(lambda param, update: param - RATE * update, params, updates), moments, value

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

    mine, other = medians(_REPEATS.value, ours, reference)
    return {"ratio": mine / other, "seconds": mine, "transformers_seconds": other}


def _torch_bandwidth(repeats: int) -> float:
    ones = torch.ones(100_000_000)
    return ones.nbytes / medians(repeats, ones.sum)[0]


def sampling(found: dict) -> None:
    """Adds what concerns the sampler."""
    of = model(global_music=False)
    params, theirs = pair(of)
    theirs.eval()
    shape = (of.context_frames + 1, of.num_parts, of.tokens_per_part)
    for rows in (1, 8):
        prompt = np.random.default_rng(0).integers(0, WORDS, (rows, *shape)).astype(np.int32)
        dancing = Dancing(of, params, prompt)
        found[f"decode_b{rows}"] = decoding(dancing, prompt, theirs)
        found[f"decode_b{rows}_ratio"] = found[f"decode_b{rows}"]["ratio"]
        if rows == 1:
            found["decode_step"] = decode_step(dancing, _REPEATS.value)
    found["bandwidth_bytes_per_second"] = max(bandwidth(_REPEATS.value), _torch_bandwidth(_REPEATS.value))
    found["decode_bandwidth_fraction"] = (
        found["decode_step"]["bytes_per_second"] / found["bandwidth_bytes_per_second"]
    )


def sizes(found: dict) -> None:
    """Adds the time to compile the sampler at medium size, and how much dance a second gives at each size."""
    configs = {variant: motion.get_config(variant) for variant in ("medium", "small", "tiny")}
    models = {variant: MusicGPT(**config.model.to_dict()) for variant, config in configs.items()}
    found["sampler_compile_seconds"] = compile_seconds(models["medium"], configs["medium"].overlap_frames)
    for variant, of in models.items():
        found[f"real_time_{variant}"] = real_time(of, configs[variant].overlap_frames, _REPEATS.value)


def main(argv: list[str]) -> None:
    del argv
    outputs.check_out(_OUT.value, ".json")
    found = {
        "frames": _FRAMES.value, "repeats": _REPEATS.value, "jax": jax.__version__, "torch": torch.__version__,
        "transformers": transformers.__version__, "threads": torch.get_num_threads(),
        "GLIBC_TUNABLES": os.environ.get("GLIBC_TUNABLES", ""),
    }
    sampling(found)
    trained = model(motion_context=False, global_tokens=32, segment_frames=16)
    found["train_step"] = train_step(trained, *pair(trained))
    found["train_step_ratio"] = found["train_step"]["ratio"]
    sizes(found)
    text = json.dumps(found, indent=2)
    write_atomically(Path(_OUT.value), (text + "\n").encode())
    print(text)


if __name__ == "__main__":
    cli.run(main)
