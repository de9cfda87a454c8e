"""Overlapping temporal windows for clips longer than the model's context (paper, "prompt travelling")."""

import numpy as np

from xdancer_jax.typing import Array, Float, Int, typechecked

WEIGHTS = ("uniform", "ramp")


def starts(num_frames: int, size: int, overlap: int, shift: int = 0) -> np.ndarray:
    """First frames (W,) of windows of `size` frames that cover [0, num_frames) and share at least `overlap` frames.

    The ends are open: nothing wraps round; the last window is moved back to end at the last frame. All begin `shift`
    frames earlier, and the first, which would begin before the clip, begins with it.
    """
    if not 0 <= overlap < size:
        raise ValueError(f"window.overlap={overlap}: must lie in [0, window.size={size})")
    if num_frames < size:
        raise ValueError(f"{num_frames} frames do not fill a window of {size}: pad them first")
    first = np.arange(-shift, num_frames - size + (size - overlap), size - overlap)
    return np.unique(np.clip(first, 0, num_frames - size)).astype(np.int32)


def shift(step: int, size: int, overlap: int) -> int:
    """By how much windows begin earlier at a denoising step: a share of their stride that is 0, 1/2, 1/4, 3/4, 1/8, ...
    (van der Corput's sequence), so that borders fall on other frames each time."""
    share = int(f"{step:b}"[::-1], 2) / 2 ** step.bit_length()
    return int(share * (size - overlap))


def weights(kind: str, size: int, overlap: int) -> Float[np.ndarray, " F"]:
    """How much each place in a window counts where windows meet: "uniform" alike (paper: they are averaged), "ramp"
    less towards both ends over the frames that neighbours share, whose two ramps add up to 1."""
    if kind == "uniform":
        return np.ones(size, np.float32)
    if kind == "ramp":
        rising = np.arange(1, size + 1, dtype=np.float32)
        return np.minimum(np.minimum(rising, rising[::-1]), overlap + 1) / (overlap + 1)
    raise ValueError(f"sampler.weights={kind!r}: choose one of {WEIGHTS}")


def frame_indices(num_frames: int, size: int, overlap: int, ways: int = 1, shift: int = 0) -> Int[np.ndarray, "n B F"]:
    """Frame numbers of the windows (see `starts`) in n batches of B = `ways`, in order.

    The last batch is filled up with windows of frame `num_frames`, which is none: see `take` and `add`.
    """
    indices = starts(num_frames, size, overlap, shift)[:, None] + np.arange(size, dtype=np.int32)
    indices = np.pad(indices, ((0, -len(indices) % ways), (0, 0)), constant_values=num_frames)
    return indices.reshape(-1, ways, size)


def coverage(
    indices: Int[np.ndarray, "n B F"], num_frames: int, weights: Float[np.ndarray, " F"]
) -> Float[np.ndarray, " T"]:
    """Sum of the weights of the places that each of the `num_frames` frames has in windows."""
    counted = np.broadcast_to(weights, indices.shape).reshape(-1)
    return np.bincount(indices.reshape(-1), counted, minlength=num_frames)[:num_frames].astype(np.float32)


@typechecked
def take(clip: Float[Array, "T *S"], indices: Int[Array, "*B"]) -> Float[Array, "..."]:
    """Frames (*B, *S) of a clip; beyond its end the last one, as good as any other."""
    return clip.at[indices].get(mode="clip")


@typechecked
def add(
    total: Float[Array, "T *S"], windows: Float[Array, "B F *S"], indices: Int[Array, "B F"], weights: Float[Array, "F"]
) -> Float[Array, "T *S"]:
    """`total` plus what the windows say of each frame, by the weights of their places; beyond its end nothing is added.
    Over `coverage`, the sum of all is the weighted mean."""
    weighted = windows.astype(total.dtype) * weights.reshape(-1, *(1,) * (windows.ndim - 2))
    return total.at[indices].add(weighted, mode="drop")
