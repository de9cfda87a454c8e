"""The sampler's compiled functions by themselves: what a token, a segment and the compiler cost."""

import functools
import time
from typing import Self

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.timing import medians
from data_pipeline import feature_sets
from xdancer_jax.boxes import unbox
from xdancer_jax.models import music_decoder
from xdancer_jax.models.music_decoder import Weights
from xdancer_jax.models.music_gpt import MusicGPT
from xdancer_jax.stages import motion_sampling
from xdancer_jax.typing import Array, Params

FEATURES = feature_sets.width_of("librosa35")  # of the music, a frame
GREEDY = (1.0, 1, 1.0)


def shapes(model: MusicGPT) -> Params:
    """Abstract parameters."""
    ints, floats = jnp.int32, jnp.float32
    frames = (model.num_parts, model.tokens_per_part)
    arguments = (
        jnp.zeros((1, model.segment_frames, *frames), ints), jnp.zeros((1, model.context_frames, *frames), ints),
        jnp.zeros((1, model.context_frames), ints), jnp.zeros((1, model.segment_frames, FEATURES), floats),
        jnp.zeros((1, model.global_tokens, FEATURES), floats),
    )
    return jax.eval_shape(lambda: unbox(model.init(jax.random.key(0), *arguments)))["params"]


class Dancing:
    """Segments of silent music by greedy sampling, after a prompt of context and the first frames.

    prompt: tokens (B, C + n, S, K), context frames before the n given ones.
    """

    def __init__(self, model: MusicGPT, params: Params, prompt: np.ndarray):
        self.model, self.params, self._prompt, self.rows = model, params, prompt, len(prompt)
        self.weights: Weights = motion_sampling._arrange(model, params)
        self._given = prompt.shape[1] - model.context_frames
        self._cache = motion_sampling._empty_cache(model, None, len(prompt))

    @classmethod
    def untrained(cls, model: MusicGPT, given: int, rows: int = 1) -> Self:
        """Dances by a model of random weights."""
        random = np.random.default_rng(0)
        params = jax.tree.map(lambda x: jnp.asarray(0.02 * random.standard_normal(x.shape, x.dtype)), shapes(model))
        return cls(model, params, np.zeros((rows, model.context_frames + given, *_frame_shape(model)), np.int32))

    def prefill(self) -> music_decoder.Cache:
        """Begins a segment, as the sampler does in the memory of the one before."""
        model, rows = self.model, len(self._prompt)
        before, music = (np.zeros((rows, n, model.width), np.float32) for n in (model.context_frames, self._given))
        song = np.zeros((rows, model.global_tokens if model.global_music else 0, FEATURES), np.float32)
        context, first = np.split(self._prompt, [model.context_frames], axis=1)
        self._cache = motion_sampling._prefill(
            model, None, self._cache, self.params, first, context, before, song, music
        )
        return self._cache

    def frame(self, number: int, last: Array) -> Array:
        """Tokens (B, S*K) of a segment's frame, after token `last` (B,)."""
        rows, settings = len(self._prompt), (GREEDY,) * self.model.num_parts
        tokens, self._cache = motion_sampling._frame(
            self.model, settings, None, self.weights, np.array([number, number], np.int32), last,
            np.zeros((rows, self.model.width), np.float32), np.zeros(rows, np.uint32), self._cache,
        )
        return tokens

    def segment(self, frames: int) -> np.ndarray:
        """Tokens (B, frames * S * K)."""
        self.prefill()
        last, drawn = self._prompt.reshape(len(self._prompt), -1)[:, -1], []
        for number in range(self._given, self._given + frames):
            tokens = self.frame(number, last)
            last = tokens[:, -1]
            drawn.append(tokens)
        return np.concatenate(drawn, axis=1)

    def frame_seconds(self, number: int, repeats: int) -> float:
        """Of one frame of a segment, the prompt's pass not counted."""
        self.prefill()
        last = self._prompt.reshape(len(self._prompt), -1)[:, -1]
        return medians(repeats, lambda: self.frame(number, last))[0]


def _frame_shape(model: MusicGPT) -> tuple[int, int]:
    return model.num_parts, model.tokens_per_part


def decode_step(dancing: Dancing, repeats: int) -> dict[str, float]:
    """Seconds of a token (of each dance) in the middle of a segment, and the bytes of weights and known cache over
    them."""
    model, middle = dancing.model, dancing.model.segment_frames // 2
    seconds = dancing.frame_seconds(middle, repeats) / model.frame_tokens
    known = (model.prefix + middle * model.frame_tokens) / model.num_positions
    cache = jax.eval_shape(functools.partial(music_decoder.empty_cache, model, dancing.rows))
    cache = [copies[-1] for copies in cache]  # a step reads one copy
    read = sum(x.nbytes for x in jax.tree.leaves((dancing.weights.layers, dancing.weights.heads)))
    read += known * sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(cache))
    return {"seconds": seconds, "bytes": read, "bytes_per_second": read / seconds}


def real_time(model: MusicGPT, overlap: int, repeats: int) -> dict[str, float]:
    """Seconds of dance that a second of computing gives in a long song at batch 1: a segment's new frames over its
    time, which is that of the prompt's pass and of its new frames, taken from the first, middle and last of them."""
    dancing = Dancing.untrained(model, overlap)
    numbers = np.linspace(overlap, model.segment_frames - 1, 3).astype(int)
    frame = float(np.mean([dancing.frame_seconds(int(number), repeats) for number in numbers]))
    new, prompt = model.segment_frames - overlap, medians(repeats, dancing.prefill)[0]
    return {"prompt_seconds": prompt, "frame_seconds": frame, "dance_a_second": new / 30 / (prompt + new * frame)}


def compile_seconds(model: MusicGPT, overlap: int) -> float:
    """Tracing and compiling all functions of the sampler for one song."""
    began, params, shape = time.perf_counter(), shapes(model), jax.ShapeDtypeStruct
    weights = jax.eval_shape(functools.partial(music_decoder.arrange, model), params)
    motion_sampling._arrange.lower(model, params).compile()
    frames, row = _frame_shape(model), shape((1, model.width), jnp.float32)
    rows = (
        shape((1, overlap, *frames), jnp.int32), shape((1, model.context_frames, *frames), jnp.int32),
        shape((1, model.context_frames, model.width), jnp.float32),
        shape((1, model.global_tokens, FEATURES), jnp.float32), shape((1, overlap, model.width), jnp.float32),
    )
    cache = jax.eval_shape(functools.partial(music_decoder.empty_cache, model, 1))
    motion_sampling._prefill.lower(model, None, cache, params, *rows).compile()
    settings = motion_sampling.Sampling(top_p=(0.95,)).of_parts(model.num_parts)
    motion_sampling._frame.lower(
        model, tuple(settings), None, weights, shape((2,), jnp.int32), shape((1,), jnp.int32), row,
        shape((1,), jnp.uint32), cache,
    ).compile()
    return time.perf_counter() - began


__all__ = ["Dancing", "compile_seconds", "decode_step", "real_time", "shapes"]
