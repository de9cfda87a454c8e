"""How close are frames to the true ones, and to merely repeating the photo? (docs/metrics.md)

Frames are (..., H, W, 3), uint8 or floats in [0, 1]; both sides have the same size, nothing is resized here.
"""

import dataclasses
from typing import Literal

import numpy as np
from jaxtyping import Shaped

from xdancer_jax.evals.protocols import Result, record
from xdancer_jax.typing import typechecked


@dataclasses.dataclass(frozen=True)
class PSNR:
    """Peak signal to noise ratio in dB, peak 1, differences in float64.

    Attributes:
      reduction: "mean_of_frames" averages each frame's PSNR; "pooled" takes the PSNR of the mean squared error.
      identical: dB given to a frame, or pool, without any error.
    """

    id: str = "psnr_float"
    reduction: Literal["mean_of_frames", "pooled"] = "mean_of_frames"
    identical: float = 100.0

    @typechecked
    def __call__(
        self, frames: Shaped[np.ndarray, "*batch H W 3"], target: Shaped[np.ndarray, "*batch H W 3"]
    ) -> float:
        error = ((unit_range(frames) - unit_range(target)) ** 2).mean(axis=(-3, -2, -1))
        if self.reduction == "pooled":
            error = error.mean()
        with np.errstate(divide="ignore"):
            decibels = -10 * np.log10(error)
        return float(np.minimum(decibels, self.identical).mean())


@dataclasses.dataclass(frozen=True)
class FrameL1:
    """Mean absolute difference over all pixels and channels, in [0, 1]."""

    id: str = "frame_l1_mean"

    @typechecked
    def __call__(
        self, frames: Shaped[np.ndarray, "*batch H W 3"], target: Shaped[np.ndarray, "*batch H W 3"]
    ) -> float:
        return float(np.abs(unit_range(frames) - unit_range(target)).mean())


def unit_range(frames: np.ndarray) -> np.ndarray:
    """uint8, or floats in [0, 1], as float64 in [0, 1]. Raises ValueError for other types and values."""
    if frames.dtype == np.uint8:
        return frames / 255.0
    if not np.issubdtype(frames.dtype, np.floating):
        raise ValueError(f"frames must be uint8 or floats in [0, 1], got {frames.dtype}")
    frames = frames.astype(np.float64)
    if not (frames.min() >= -1e-6 and frames.max() <= 1 + 1e-6):
        raise ValueError(f"float frames must lie in [0, 1], got [{frames.min():g}, {frames.max():g}]")
    return np.clip(frames, 0, 1)


@typechecked
def repeat_photo(
    reference: Shaped[np.ndarray, "*batch H W 3"], num_frames: int
) -> Shaped[np.ndarray, "*batch F H W 3"]:
    """The baseline that any video model must beat: the reference photo as every frame."""
    return np.repeat(reference[..., None, :, :, :], num_frames, axis=-4)


def video_report(
    metric: PSNR | FrameL1, frames: np.ndarray, target: np.ndarray, reference: np.ndarray
) -> Result:
    """`metric` of frames (..., F, H, W, 3) against `target` ("score") and of repeating `reference` (..., H, W, 3)
    ("repeat_photo")."""
    values = {
        "score": metric(frames, target),
        "repeat_photo": metric(repeat_photo(reference, target.shape[-4]), target),
    }
    counts = {"frames": int(np.prod(target.shape[:-3])), "height": target.shape[-3], "width": target.shape[-2]}
    return record(metric, values, counts)
