"""Frames to the size and range that a network reads. FVD's protocols differ in little else.

Frames are (F, H, W, 3) uint8; what comes out is float32.
"""

import math
from typing import Literal

import numpy as np
from PIL import Image

from xdancer_jax.typing import Float, UInt8, typechecked

Resize = Literal["bilinear", "bilinear_crop", "bicubic_pil"]
Pixels = Literal["minus_one_to_one", "minus_half_to_half", "zero_to_255_less_mean"]
KINETICS_MEAN = (114.7748, 107.7354, 99.4750)  # red, green, blue; Hara et al.'s


@typechecked
def prepared(
    frames: UInt8[np.ndarray, "F _ _ 3"], size: int, resize: Resize, pixels: Pixels
) -> Float[np.ndarray, "F {size} {size} 3"]:
    """Frames for a network.

    `resize`: "bilinear", straight to the square, and "bilinear_crop", the shorter side to `size` and then the centre,
    as torch's interpolate without antialiasing does; "bicubic_pil", straight to the square, as Pillow does it on
    float channels (antialiased, not clipped).
    """
    if resize == "bicubic_pil":
        x = _pillow(frames, size)
    elif resize == "bilinear":
        x = bilinear(frames, size, size)
    else:
        x = _cropped(frames, size)
    if pixels == "zero_to_255_less_mean":
        return x - np.asarray(KINETICS_MEAN, np.float32)
    x = x / np.float32(255)
    return x - np.float32(0.5) if pixels == "minus_half_to_half" else 2 * x - 1


def bilinear(frames: np.ndarray, height: int, width: int) -> np.ndarray:
    """Half-pixel centres, no antialiasing: torch's interpolate(mode="bilinear", align_corners=False)."""
    x = np.asarray(frames, np.float32)
    for axis, size in ((1, height), (2, width)):
        low, high, part = _places(x.shape[axis], size)
        part = part.reshape([-1 if i == axis else 1 for i in range(x.ndim)])
        x = np.take(x, low, axis) * (1 - part) + np.take(x, high, axis) * part
    return x


def _places(old: int, new: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    places = np.maximum((np.arange(new, dtype=np.float32) + 0.5) * np.float32(old / new) - 0.5, 0)
    low = places.astype(np.int64)
    return low, np.minimum(low + 1, old - 1), (places - low).astype(np.float32)


def _cropped(frames: np.ndarray, size: int) -> np.ndarray:
    height, width = frames.shape[1:3]
    scale = size / min(height, width)
    wide = (size, math.ceil(width * scale)) if height < width else (math.ceil(height * scale), size)
    top, left = (wide[0] - size) // 2, (wide[1] - size) // 2
    return bilinear(frames, *wide)[:, top : top + size, left : left + size]


def _pillow(frames: np.ndarray, size: int) -> np.ndarray:
    out = np.empty((len(frames), size, size, 3), np.float32)
    for i, frame in enumerate(frames):
        for channel in range(3):
            picture = Image.fromarray(np.ascontiguousarray(frame[..., channel], np.float32))
            out[i, ..., channel] = picture.resize((size, size), Image.Resampling.BICUBIC)
    return out


__all__ = ["KINETICS_MEAN", "Pixels", "Resize", "bilinear", "prepared"]
