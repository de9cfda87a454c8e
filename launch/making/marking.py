"""A mark that people see: "AI-generated" in a corner of every frame."""

import functools
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

LABELS: Final = ("AI-generated", "AI")  # the first that takes no more than _WIDEST of the frame's width, or the last
_WIDEST: Final = 0.45
_SHARE: Final = 1 / 24  # the letters' size over the frame's shorter side ...
_SMALLEST: Final = 10  # ... and at least, in pixels: below, letters are no letters
_DARK: Final = 0.7  # of a frame's light that the box takes away: white on it is read on any picture


def marked(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The frames (H, W, 3) uint8, of any sizes, each a copy with a label in its upper left corner: white letters on
    darkened picture, as large as the frame allows. Of a frame smaller than the label the part that fits is drawn.

    Raises ValueError for what is no such frame.
    """
    for frame in frames:
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise ValueError(f"frames: expected uint8 (H, W, 3) pictures, got {frame.dtype} {frame.shape}")
        letters, top, left = label(*frame.shape[:2])
        copy = frame.copy()
        box = copy[top : top + letters.shape[0], left : left + letters.shape[1]]
        alpha = letters[: box.shape[0], : box.shape[1], None]
        box[:] = np.round(255 * alpha + (1 - alpha) * (1 - _DARK) * box)
        yield copy


@functools.lru_cache(maxsize=8)
def label(height: int, width: int) -> tuple[np.ndarray, int, int]:
    """(box, top, left) for frames of a size: box (h, w) float32, 1 where there is a letter and 0 around it."""
    size = max(_SMALLEST, min(height, width) * _SHARE)
    font = ImageFont.load_default(size)
    fitting = (text for text in LABELS[:-1] if font.getlength(text) <= _WIDEST * width)
    text = next(fitting, LABELS[-1])
    left, top, right, bottom = font.getbbox(text)
    border = max(2, round(size / 4))
    box = Image.new("L", (round(right - left) + 2 * border, round(bottom - top) + 2 * border))
    ImageDraw.Draw(box).text((border - left, border - top), text, fill=255, font=font)
    margin = min(border, max(0, height - box.height), max(0, width - box.width))
    return np.asarray(box, np.float32) / 255, margin, margin


__all__ = ["LABELS", "label", "marked"]
