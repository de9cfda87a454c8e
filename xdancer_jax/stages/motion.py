"""Stage 2: music to pose tokens over a frozen tokenizer; whole songs in overlapping segments (paper, section 3.3)."""

import dataclasses
import functools
from collections.abc import Callable, Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from xdancer_jax import decoding
from xdancer_jax.losses import cross_entropy
from xdancer_jax.models.music_gpt import SLOT_SCALE, MusicGPT
from xdancer_jax.models.pose_tokenizer import PoseTokenizer
from xdancer_jax.models.quantizer import standardise
from xdancer_jax.stage import Stage
from xdancer_jax.stages.tokenizer import decode, encode
from xdancer_jax.typing import Array, Batch, Bool, Extra, Float, Int, Metrics, Params, typechecked


@dataclasses.dataclass(frozen=True)
class Sampling:
    """How a token is drawn; see decoding.sample. (open: the paper does not say.)"""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0


def make(
    model: MusicGPT,
    tokenizer: PoseTokenizer,
    frozen_tokenizer: tuple[Params, Extra],
    *,
    sampling: Sampling,
    trainable: tuple[str, ...] = (".*",),
    initial: Mapping[str, np.ndarray] | None = None,
) -> Stage:
    """The stage. Batches are the loader's "motion" batches: P frames of the segment before, then T frames.

    Their poses have a margin of A frames more on either side, best the tokenizer's `reach`: the window is tokenized as
    one, and the P + T frames of the music are kept. Context tokens are those at "context_index", targets the last T.
    `frozen_tokenizer` is (params, extra) of a trained tokenizer stage; init puts it under extra["frozen"]["tokenizer"].
    `initial`: arrays by "/"-joined parameter path that take the place of random ones (pretrained.gpt2).
    functions: "sample" goes on from the real segment before it -> {"tokens": (B, T, S, K), "poses": (B, T, J, 3)}.
    Raises ValueError where model and tokenizer do not fit together.
    """
    _check(model, tokenizer)

    def init(rng: Array, batch: Batch) -> tuple[Params, Extra]:
        params, extra = frozen_tokenizer
        frozen = {"tokenizer": {"params": params, "extra": extra}}
        tokens = jnp.zeros((*batch["music"].shape[:2], model.num_parts, model.tokens_per_part), jnp.int32)
        init_key, table_key = jax.random.split(rng)
        boxed = model.init(init_key, **_split(model, tokens, batch))["params"]
        boxed = _start_from_codes(boxed, extra["codebook"], table_key)
        return _start_from_arrays(boxed, initial or {}), {"frozen": frozen}

    def loss(params: Params, extra: Extra, batch: Batch, rng: Array, train: bool):
        tokens = encode(tokenizer, extra["frozen"]["tokenizer"], batch["poses"], batch["music"].shape[1])
        inputs = _split(model, tokens, batch)
        logits = model.apply({"params": params}, **inputs, train=train, rngs={"dropout": rng})
        nats = cross_entropy(logits, inputs["tokens"])
        hits = (jnp.argmax(logits, axis=-1) == inputs["tokens"]).astype(jnp.float32)
        metrics: Metrics = {"loss": jnp.mean(nats), "accuracy": jnp.mean(hits)}
        return metrics["loss"], (metrics, extra)

    def sample(params: Params, extra: Extra, batch: Batch, rng: Array) -> dict[str, Array]:
        frozen = extra["frozen"]["tokenizer"]
        tokens = encode(tokenizer, frozen, batch["poses"], batch["music"].shape[1])
        inputs = _split(model, tokens, batch)
        start = tokens.shape[1] - model.segment_frames
        music = model.apply({"params": params}, batch["music"], method="embed_music")
        drawn = sample_segment(
            model, params, context=inputs["context"], song=batch["song"], music=music[:, start:],
            context_music=jnp.take_along_axis(music, batch["context_index"][:, :, None], axis=1),
            prompt=inputs["tokens"], forced=jnp.zeros(model.segment_frames, bool), rng=rng, sampling=sampling,
        )
        before = tokens[:, :start]  # decoded along, so that the first frames have their neighbours
        poses = decode(tokenizer, frozen, jnp.concatenate([before, drawn], axis=1))
        return {"tokens": drawn, "poses": poses[:, start:]}

    return Stage("motion", init, loss, {"sample": sample}, trainable)


def _start_from_codes(params: Params, codebook: Extra, key: Array) -> Params:
    """Boxed `params` whose token table and heads start as one random projection of the codes, so that tokens of like
    poses start alike, and heads start tied to the table, as GPT-2's are. The table keeps its scale."""
    codes = standardise(jnp.asarray(jax.tree.leaves(codebook["quantizer"]["embedding"])[0]))  # (S, V, C)
    table, heads = params["token_table"], params["heads"]
    projection = jax.random.normal(key, (codes.shape[0], codes.shape[2], table.value.shape[1])) / codes.shape[2] ** 0.5
    values = SLOT_SCALE * jnp.einsum("svc,scd->svd", codes, projection)
    return params | {
        "token_table": table.replace_boxed(values.reshape(table.value.shape).astype(table.value.dtype)),
        "heads": heads.replace_boxed(jnp.swapaxes(values, 1, 2).astype(heads.value.dtype)),
    }


def _is_box(leaf) -> bool:
    return isinstance(leaf, nn.meta.AxisMetadata)


def _start_from_arrays(params: Params, arrays: Mapping[str, np.ndarray]) -> Params:
    """Boxed `params` with the values of `arrays` at their paths; a path that is not there is a KeyError."""
    left = dict(arrays)

    def replace(path, box):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        if name not in left:
            return box
        return box.replace_boxed(jnp.asarray(left.pop(name), box.value.dtype))

    params = jax.tree_util.tree_map_with_path(replace, params, is_leaf=_is_box)
    if left:
        raise KeyError(f"no parameters {sorted(left)}")
    return params


def _check(model: MusicGPT, tokenizer: PoseTokenizer) -> None:
    ours = (model.num_parts, model.tokens_per_part, model.codebook_size)
    theirs = (len(tokenizer.parts), tokenizer.tokens_per_part, tokenizer.codebook_size)
    if ours != theirs:
        raise ValueError(
            f"motion model has (num_parts, tokens_per_part, codebook_size) = {ours}, its tokenizer {theirs}; "
            "set the fields of the motion config to those of the tokenizer"
        )


def _split(model: MusicGPT, tokens: Array, batch: Batch) -> dict[str, Array]:
    """Arguments of MusicGPT.__call__ from the tokens of a whole window."""
    index = batch["context_index"]
    return {
        "tokens": tokens[:, tokens.shape[1] - model.segment_frames :],
        "context": jnp.take_along_axis(tokens, index[:, :, None, None], axis=1),
        "context_index": index,
        "music": batch["music"],
        "song": batch["song"],
    }


@typechecked
def sample_segment(
    model: MusicGPT,
    params: Params,
    *,
    context: Int[Array, "B C S K"],
    context_music: Float[Array, "B C E"],
    song: Float[Array, "B G M"],
    music: Float[Array, "B T E"],
    prompt: Int[Array, "B T S K"],
    forced: Bool[Array, "T"],
    rng: Array,
    sampling: Sampling,
) -> Int[Array, "B T S K"]:
    """T frames of tokens, one token at a time with a key-value cache; frames in `forced` are copied from `prompt`.

    context_music and music are rows of MusicGPT.embed_music.
    """
    variables = {"params": params}
    batch, frames = prompt.shape[:2]
    length = frames * model.frame_tokens
    flat_prompt = prompt.reshape(batch, length).T
    forced_tokens = jnp.repeat(forced, model.frame_tokens)
    options = dataclasses.asdict(sampling)

    def choose(logits, index):
        drawn = decoding.sample(jax.random.fold_in(rng, index), logits, **options)
        return jnp.where(forced_tokens[index], flat_prompt[index], drawn)

    def body(carry, index):
        token, cache = carry
        following = music[:, (index + 1) // model.frame_tokens]
        logits, cache = model.apply(variables, token, index, following, cache, method="step")
        token_after = choose(logits, index + 1)
        return (token_after, cache), token_after

    logits, cache = model.apply(variables, context, context_music, song, music[:, 0], method="prefill")
    first = choose(logits, jnp.int32(0))
    _, rest = jax.lax.scan(body, (first, cache), jnp.arange(length - 1, dtype=jnp.int32))
    return jnp.concatenate([first[None], rest]).T.reshape(prompt.shape)


@functools.partial(jax.jit, static_argnames=("model", "sampling"))
def _segment(model, params, context, context_music, song, music, prompt, forced, rng, sampling):
    return sample_segment(
        model, params, context=context, context_music=context_music, song=song, music=music, prompt=prompt,
        forced=forced, rng=rng, sampling=sampling,
    )


@functools.partial(jax.jit, static_argnames=("model",))
def _embed_music(model: MusicGPT, params: Params, music: Array) -> Array:
    return model.apply({"params": params}, music, method="embed_music")


@functools.partial(jax.jit, static_argnames=("tokenizer",))
def _encode_still(tokenizer: PoseTokenizer, frozen: Extra, pose: Array) -> Array:
    still = jnp.repeat(pose[:, None], 2 * tokenizer.reach + 1, axis=1)
    return encode(tokenizer, frozen, still, 1)[:, 0]


_decode = functools.partial(jax.jit, static_argnames=("tokenizer",))(decode)


@typechecked
def generate(
    model: MusicGPT,
    tokenizer: PoseTokenizer,
    params: Params,
    extra: Extra,
    music: Float[np.ndarray, "B F M"],
    song: Float[np.ndarray, "B G M"],
    start_pose: Float[np.ndarray, "B J 3"],
    *,
    seed: int,
    sampling: Sampling,
    overlap: int,
    context_span: int,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, np.ndarray]:
    """A dance for every frame of the music: {"tokens": (B, F, S, K) int32, "poses": (B, F, J, 3)}.

    A segment of T frames starts where the one before has `overlap` frames left; these are forced, the rest is drawn.
    Its context frames are drawn uniformly, without repeats and in order, from the `context_span` (the loader's P)
    frames before it. Before frame 0 the dancer stands in `start_pose` without music; frame 0 is that pose. The same
    compiled function makes every segment; music is padded with zeros to whole segments and the result cropped.
    `song` is the pooled song as the loader pools it. `progress` is called with (segments done, segments in all).
    """
    frames, size = music.shape[1], model.segment_frames
    if not 0 < overlap < size or context_span < model.context_frames:
        raise ValueError(
            f"generate needs 0 < overlap < {size} (segment) and context_span >= {model.context_frames} (context "
            f"frames); got overlap {overlap} and context_span {context_span}"
        )
    frozen = extra["frozen"]["tokenizer"]
    stride = size - overlap
    segments = 1 + max(0, -(-(frames - size) // stride))
    total = context_span + size + (segments - 1) * stride
    padded = np.zeros((music.shape[0], total, music.shape[2]), np.float32)
    padded[:, context_span : context_span + frames] = music
    embedded = np.asarray(_embed_music(model, params, padded))
    still = np.asarray(_encode_still(tokenizer, frozen, start_pose))
    tokens = np.repeat(still[:, None], total, axis=1)  # what is not drawn yet is never looked at
    rng = np.random.default_rng(seed)
    for i in range(segments):
        start = context_span + i * stride
        chosen = start - context_span + np.sort(rng.permutation(context_span)[: model.context_frames])
        window = slice(start, start + size)
        forced = np.arange(size) < (overlap if i else 1)
        key = jax.random.fold_in(jax.random.key(seed), i)
        tokens[:, window] = _segment(
            model, params, tokens[:, chosen], embedded[:, chosen], song, embedded[:, window], tokens[:, window],
            forced, key, sampling,
        )
        if progress is not None:
            progress(i + 1, segments)
    poses = np.asarray(_decode(tokenizer, frozen, tokens))
    crop = slice(context_span, context_span + frames)
    return {"tokens": tokens[:, crop], "poses": poses[:, crop]}


__all__ = ["Sampling", "generate", "make", "sample_segment"]
