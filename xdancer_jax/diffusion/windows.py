"""Overlapping temporal windows for clips longer than the model's context (paper, "prompt travelling")."""

import jax.numpy as jnp
import numpy as np

from xdancer_jax.typing import Array, Float, typechecked


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


def frame_indices(first: np.ndarray, size: int) -> np.ndarray:
    """(W, size) frame numbers of the windows that start at `first` (W,)."""
    return first[:, None] + np.arange(size, dtype=np.int32)


@typechecked
def average(windows: Float[Array, "W N *S"], first: np.ndarray, num_frames: int) -> Float[Array, "F *S"]:
    """The windows' predictions laid back over the clip; the mean where several windows cover a frame."""
    indices = frame_indices(first, windows.shape[1])
    count = np.zeros(num_frames, np.float32)
    np.add.at(count, indices, 1)
    total = jnp.zeros((num_frames, *windows.shape[2:]), jnp.float32).at[indices].add(windows.astype(jnp.float32))
    return total / count.reshape(-1, *(1,) * (windows.ndim - 2))
