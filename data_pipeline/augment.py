"""Augmentation: clips seen as they might also have been. Off unless a config asks for it, and never in evaluation.

Each class below is a ClipView over another one, so that windows are cut from a changed clip as from a clip. What is
read of the clip beneath stays what a window needs of it.
"""

import dataclasses
from typing import Any, Final

import numpy as np
from PIL import Image

from data_pipeline.clip_views import ClipView
from data_pipeline.skeleton import MIRROR_PAIRS, NUM_JOINTS

_GREY: Final = (128, 128, 128)


@dataclasses.dataclass(frozen=True)
class Augment:
    """How often and how far clips are changed; all 0: not at all.

    Attributes:
        flip: probability of a mirror image, in [0, 1].
        stretch: the dance with its music is up to this share faster or slower, 0.1 for a tempo of 1 / 1.1 to 1.1.
        crop: up to this share of height and of width is cut away, in [0, 1), and the rest enlarged.
        colour: brightness, contrast and saturation change by up to this share, each by itself.
        aspect: W / H of the pictures, for poses that are cropped with them.

    One draw holds for a whole example: its reference and all its frames.

    Raises ValueError for a value out of its range.
    """

    flip: float = 0.0
    stretch: float = 0.0
    crop: float = 0.0
    colour: float = 0.0
    aspect: float = 1.0

    def __post_init__(self):
        for name, most in {"flip": 1, "stretch": 1, "crop": 0.99, "colour": 1}.items():
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"augment.{name}: {getattr(self, name)} is not in [0, {most}]")

    def __call__(self, clip: ClipView, rng: np.random.Generator) -> ClipView:
        """`clip`, changed by chance."""
        if self.stretch:
            most = np.log1p(self.stretch)
            clip = Stretched(clip, float(np.exp(rng.uniform(-most, most))))
        if self.crop:
            side = 1 - self.crop * rng.random()
            left, top = rng.random(2) * (1 - side)
            clip = Cropped(clip, side, left, top, self.aspect)
        if self.colour:
            clip = Coloured(clip, *rng.uniform(1 - self.colour, 1 + self.colour, 3))
        if self.flip and rng.random() < self.flip:
            clip = Flipped(clip)
        return clip


class Changed:
    """A clip of which nothing is changed, but what a class over this one does."""

    def __init__(self, clip: ClipView):
        self.id, self.frames, self.row, self._clip = clip.id, clip.frames, clip.row, clip

    def poses(self, start: int, stop: int) -> np.ndarray:
        return self._clip.poses(start, stop)

    def image(self, frame: int) -> np.ndarray:
        return self._clip.image(frame)

    def value(self, field: str) -> Any:
        return self._clip.value(field)


class Flipped(Changed):
    """Its mirror image, in which left and right joints have changed places; the music is the same."""

    def poses(self, start: int, stop: int) -> np.ndarray:
        return self._clip.poses(start, stop)[:, _MIRRORED] * np.array([-1, 1, 1], np.float32)

    def image(self, frame: int) -> np.ndarray:
        return self._clip.image(frame)[:, ::-1]


class Stretched(Changed):
    """`tempo` times as fast, poses and music alike; pictures are the nearest ones.

    Poses and music are interpolated linearly. A joint is as sure as the less sure of its two neighbours. Columns of
    music that hold nothing but 0 and 1 mark moments, as beats: each mark goes to the nearest frame.
    """

    def __init__(self, clip: ClipView, tempo: float):
        super().__init__(clip)
        self._tempo = tempo
        self.frames = self._length(clip.frames)

    def _length(self, frames: int) -> int:
        return int((frames - 1) / self._tempo) + 1

    def poses(self, start: int, stop: int) -> np.ndarray:
        low, high, weight = self._neighbours(np.arange(start, stop), self._clip.frames)
        there = self._clip.poses(low[0], high[-1] + 1)
        before, after = there[low - low[0]], there[high - low[0]]
        weight = weight[:, None, None]
        found = before * (1 - weight) + after * weight
        found[..., 2] = np.where(weight[..., 0] > 0, np.minimum(before[..., 2], after[..., 2]), before[..., 2])
        return found

    def image(self, frame: int) -> np.ndarray:
        return self._clip.image(min(round(frame * self._tempo), self._clip.frames - 1))

    def value(self, field: str) -> Any:
        found = self._clip.value(field)
        if field == "music":
            return self._music(found)
        return np.unique(self._moved(found)) if field == "beats" else found

    def _music(self, rows: np.ndarray) -> np.ndarray:
        low, high, weight = self._neighbours(np.arange(self._length(len(rows))), len(rows))
        found = rows[low] * (1 - weight[:, None]) + rows[high] * weight[:, None]
        marks = np.flatnonzero(((rows == 0) | (rows == 1)).all(axis=0))
        found[:, marks] = 0
        frames, columns = np.nonzero(rows[:, marks])
        found[np.minimum(self._moved(frames), len(found) - 1), marks[columns]] = 1
        return found

    def _moved(self, frames: np.ndarray) -> np.ndarray:
        """Where moments of the clip are now."""
        return np.minimum(np.round(frames / self._tempo).astype(np.int32), self.frames - 1)

    def _neighbours(self, frames: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(frame of the clip before, frame after, weight of the one after) of each frame."""
        place = np.minimum(frames * self._tempo, length - 1)
        low = place.astype(np.int64)
        return low, np.minimum(low + 1, length - 1), (place - low).astype(np.float32)


class Cropped(Changed):
    """A part of its pictures, enlarged to their size, and its poses there; a joint that lies outside is not seen.

    side: share of height and width that stays. left, top: shares beside and above it. aspect: W / H.
    """

    def __init__(self, clip: ClipView, side: float, left: float, top: float, aspect: float):
        super().__init__(clip)
        self._side, self._left, self._top = side, left, top
        centre = np.array([2 * left + side - 1, 2 * top + side - 1]) * [aspect, 1]  # from the middle, half heights
        self._centre, self._edge = centre.astype(np.float32), np.array([aspect, 1], np.float32)

    def poses(self, start: int, stop: int) -> np.ndarray:
        found = self._clip.poses(start, stop).copy()
        found[..., :2] = (found[..., :2] - self._centre) / np.float32(self._side)
        found[..., 2] *= (np.abs(found[..., :2]) <= self._edge).all(axis=-1)
        return found

    def image(self, frame: int) -> np.ndarray:
        picture = self._clip.image(frame)
        height, width = picture.shape[:2]
        left, top = self._left * width, self._top * height
        box = (left, top, left + self._side * width, top + self._side * height)
        return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC, box=box))


class Coloured(Changed):
    """Brighter or darker, with more or less contrast (about grey) and saturation; 1 changes nothing."""

    def __init__(self, clip: ClipView, brightness: float, contrast: float, saturation: float):
        super().__init__(clip)
        self._brightness, self._contrast, self._saturation = brightness, contrast, saturation

    def image(self, frame: int) -> np.ndarray:
        picture = Image.fromarray(self._clip.image(frame))
        picture = Image.blend(picture.convert("L").convert("RGB"), picture, self._saturation)
        picture = Image.blend(Image.new("RGB", picture.size, _GREY), picture, self._contrast)
        return np.asarray(Image.blend(Image.new("RGB", picture.size), picture, self._brightness))


def _exchanged() -> np.ndarray:
    """(60,) the joint that each one is taken from in a mirror image."""
    index = np.arange(NUM_JOINTS)
    pairs = np.array(MIRROR_PAIRS)
    index[pairs[:, 0]], index[pairs[:, 1]] = pairs[:, 1], pairs[:, 0]
    return index


_MIRRORED: Final = _exchanged()

__all__ = ["Augment", "Coloured", "Cropped", "Flipped", "Stretched"]
