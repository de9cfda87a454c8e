"""Overlapping temporal windows for clips longer than the model's context (paper, "prompt travelling")."""

import numpy as np

from xdancer_jax.typing import Array, Float, Int, typechecked


def starts(num_frames: int, size: int, overlap: int) -> np.ndarray:
    """First frames (W,) of windows of `size` frames that cover [0, num_frames) and share at least `overlap` frames.

    The ends are open: nothing wraps round, and the last window is moved back to end at the last frame.
    """
    if not 0 <= overlap < size:
        raise ValueError(f"window.overlap={overlap}: must lie in [0, window.size={size})")
    if num_frames < size:
        raise ValueError(f"{num_frames} frames do not fill a window of {size}: pad them first")
    first = np.arange(0, num_frames - size + (size - overlap), size - overlap)
    return np.minimum(first, num_frames - size).astype(np.int32)


def frame_indices(num_frames: int, size: int, overlap: int, ways: int = 1) -> Int[np.ndarray, "n B F"]:
    """Frame numbers of the windows (see `starts`) in n batches of B = `ways`, in order.

    The last batch is filled up with windows of frame `num_frames`, which is none: see `take` and `add`.
    """
    indices = starts(num_frames, size, overlap)[:, None] + np.arange(size, dtype=np.int32)
    indices = np.pad(indices, ((0, -len(indices) % ways), (0, 0)), constant_values=num_frames)
    return indices.reshape(-1, ways, size)


def coverage(indices: Int[np.ndarray, "n B F"], num_frames: int) -> Float[np.ndarray, " T"]:
    """Number of windows that each of the `num_frames` frames lies in."""
    return np.bincount(indices.reshape(-1), minlength=num_frames)[:num_frames].astype(np.float32)


@typechecked
def take(clip: Float[Array, "T *S"], indices: Int[Array, "*B"]) -> Float[Array, "..."]:
    """Frames (*B, *S) of a clip; beyond its end the last one, as good as any other."""
    return clip.at[indices].get(mode="clip")


@typechecked
def add(
    total: Float[Array, "T *S"], windows: Float[Array, "B F *S"], indices: Int[Array, "B F"]
) -> Float[Array, "T *S"]:
    """`total` plus what the windows say of each frame; beyond its end nothing is added. Over `coverage`, the sum of all
    is the mean."""
    return total.at[indices].add(windows.astype(total.dtype), mode="drop")
