"""Clip -> example: the random windows that each stage trains on. Plain numpy; chance comes from Grain's generator.

Each transform is a callable (clip, rng) -> dict of arrays, for `MapDataset.random_map`, and reads of the clip what the
example holds; `spec` tells their shapes and dtypes without any data, and `reads` the fields that a clip must have.
"""

import dataclasses
from typing import ClassVar, Final, Protocol

import numpy as np

from data_pipeline import music, poses
from data_pipeline.clip_views import ClipView, StoredClip
from data_pipeline.feature_sets import FeatureSet
from data_pipeline.schema import FRAMES
from data_pipeline.skeleton import NUM_JOINTS

Example = dict[str, np.ndarray]
Spec = dict[str, tuple[tuple[int, ...], np.dtype]]  # field -> shape and dtype

_FLOAT, _INT, _BYTE = np.dtype(np.float32), np.dtype(np.int32), np.dtype(np.uint8)
_POSE = (NUM_JOINTS, 3)
# Field of a video example -> what is read for it.
_READ: Final = {
    "reference": FRAMES, "frames": FRAMES, "poses": "poses", "pose_window": "poses", "pose_images": "poses",
    "latents": "latents", "reference_latents": "latents", "reference_token": "embeddings", "tokens": "tokens",
}
VIDEO_FIELDS: Final = ("reference", "frames", "poses", "pose_window", "pose_images")  # without what is computed


class Window(Protocol):
    """What cuts examples from clips."""

    @property
    def reads(self) -> tuple[str, ...]: ...

    def spec(self) -> Spec: ...

    def __call__(self, clip: ClipView, rng: np.random.Generator) -> Example: ...


def _start(clip: ClipView, length: int, rng: np.random.Generator) -> int:
    """First frame of a random window of `length` frames. Raises ValueError where the clip is shorter."""
    if clip.frames < length:
        raise ValueError(
            f"record {clip.id}: has {clip.frames} frames, the window needs {length}; drop clips this short or shorten "
            "the window"
        )
    return int(rng.integers(clip.frames - length + 1))


def _poses(clip: ClipView, start: int, stop: int) -> np.ndarray:
    """A copy of the poses (stop - start, 60, 3); before the clip its first pose, after it its last."""
    index = np.minimum(np.maximum(np.arange(start, stop), 0), clip.frames - 1)  # np.clip takes 20 us
    return clip.poses(index[0], index[-1] + 1)[index - index[0]]


@dataclasses.dataclass(frozen=True)
class PoseWindow:
    """Stage 1: "poses" (length, 60, 3), consecutive."""

    reads: ClassVar[tuple[str, ...]] = ("poses",)
    length: int = 64

    def spec(self) -> Spec:
        return {"poses": ((self.length, *_POSE), _FLOAT)}

    def __call__(self, clip: ClipView, rng: np.random.Generator) -> Example:
        start = _start(clip, self.length, rng)
        return {"poses": _poses(clip, start, start + self.length)}


@dataclasses.dataclass(frozen=True)
class MotionWindow:
    """Stage 2: `previous` frames and the `length` frames that follow, with music (paper section "Stage 2").

    The first frame to predict is uniform over the clip. What lies before the clip's start is its first pose and zero
    music. With probability `static_context_rate` all previous poses are the first pose to predict, as when a photo
    starts a dance; their music stays. Music is normalised; zero stands for "no music yet".

    Gives "poses" (A+P+T+A, 60, 3), "music" (P+T, M), "context_index" (C,) int32 sorted, drawn uniformly from the P
    frames (without replacement while C <= P), "song" (G, M); M is the width of `features`. The A = `margin` frames more
    on either side are for the tokenizer to look at: a frame's tokens depend on its neighbours.

    With `tokens`, (S, K) of a frame, "tokens" (P+T, S, K) int32 stand for the poses: those that the tokenizer would
    find in them, computed beforehand.
    """

    features: FeatureSet
    previous: int = 64
    length: int = 64
    num_context: int = 8
    song_bins: int = 64
    static_context_rate: float = 0.2
    margin: int = 0
    tokens: tuple[int, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        if not self.tokens:
            return ("poses", "music")
        return ("tokens", "still_tokens", "music") if self.static_context_rate else ("tokens", "music")

    def spec(self) -> Spec:
        frames = self.previous + self.length
        poses = {"poses": ((frames + 2 * self.margin, *_POSE), _FLOAT)}
        return {
            **({"tokens": ((frames, *self.tokens), _INT)} if self.tokens else poses),
            "music": ((frames, self.features.width), _FLOAT),
            "context_index": ((self.num_context,), _INT),
            "song": ((self.song_bins, self.features.width), _FLOAT),
        }

    def __call__(self, clip: ClipView, rng: np.random.Generator) -> Example:
        start = _start(clip, self.length, rng)
        index = np.arange(start - self.previous, start + self.length)
        still = rng.random() < self.static_context_rate
        if self.tokens:
            dance = {"tokens": self._tokens(clip, start, still)}
        else:
            dance = {"poses": self._window(clip, start, still)}
        song = self.features.normalise(clip.value("music"))
        context = rng.choice(self.previous, self.num_context, replace=self.num_context > self.previous)
        return {
            **dance,
            "music": np.where(index[:, None] >= 0, song[np.maximum(index, 0)], np.float32(0)),
            "context_index": np.sort(context).astype(np.int32),
            "song": music.pool(song, self.song_bins),
        }


    def _window(self, clip: ClipView, start: int, still: bool) -> np.ndarray:
        window = _poses(clip, start - self.previous - self.margin, start + self.length + self.margin)
        if still:
            first = self.margin + self.previous
            window[:first] = window[first]
        return window

    def _tokens(self, clip: StoredClip, start: int, still: bool) -> np.ndarray:
        found = clip.tokens(start - self.previous, start + self.length).astype(np.int32)
        if still:
            around = clip.computed("still_tokens", start)  # of the frames from one more than the reach before it on
            reach = len(around) // 2
            place = np.arange(-self.previous, min(reach, self.length))
            found[: len(place)] = around[np.maximum(place + reach + 1, 0)]
        return found


@dataclasses.dataclass(frozen=True)
class VideoWindow:
    """Stage 3: a reference frame and `num_frames` consecutive frames of the same clip, decoded, with their poses.

    Attributes:
        num_frames: F; the window's start is uniform over the clip.
        height, width: H, W of the pictures; others are an error.
        fields: what the example holds, of "reference" (H, W, 3) uint8, "frames" (F, H, W, 3) uint8, "poses"
            (F, 60, 3), "pose_window" (A+F+A, 60, 3) and "pose_images" (F, H, W, 3) uint8, drawn skeletons; and of what
            was computed beforehand "latents" (F, h, w, 2C) and "reference_latents" (h, w, 2C), mean and log variance,
            "reference_token" (D,) and "tokens" (F, S, K) int32. What is not named is neither read nor drawn. Which
            frames are taken does not depend on it.
        margin: A, frames more on either side of "pose_window", for the tokenizer to look at.
        latent, token, embedding: (h, w, 2C), (S, K) and D of these; of no use without them.
        reference_gap: least distance in frames between the reference and the nearest frame of the window. The
            reference is uniform over the frames that keep it; where the clip has none, over those farthest from the
            window: its first frame, its last, or both (any frame, where the window is the whole clip).

    Raises:
        ValueError: an unknown field, a negative gap, a clip shorter than the window, pictures of another size.
    """

    num_frames: int
    height: int
    width: int
    fields: tuple[str, ...] = ("reference", "frames")
    margin: int = 0
    reference_gap: int = 30
    latent: tuple[int, ...] = ()
    token: tuple[int, ...] = ()
    embedding: int = 0

    def __post_init__(self):
        unknown = [name for name in self.fields if name not in _READ]
        if unknown or not self.fields:
            raise ValueError(f"fields: {', '.join(unknown) or 'none'}; a video window has {', '.join(_READ)}")
        if self.reference_gap < 0:
            raise ValueError(f"reference_gap: {self.reference_gap} is negative; 0 takes any frame of the clip")

    @property
    def reads(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_READ[name] for name in self.fields))

    def spec(self) -> Spec:
        picture = (self.height, self.width, 3)
        whole = {
            "reference": (picture, _BYTE),
            "frames": ((self.num_frames, *picture), _BYTE),
            "poses": ((self.num_frames, *_POSE), _FLOAT),
            "pose_window": ((self.num_frames + 2 * self.margin, *_POSE), _FLOAT),
            "pose_images": ((self.num_frames, *picture), _BYTE),
            "latents": ((self.num_frames, *self.latent), _FLOAT), "reference_latents": (self.latent, _FLOAT),
            "reference_token": ((self.embedding,), _FLOAT), "tokens": ((self.num_frames, *self.token), _INT),
        }
        return {name: whole[name] for name in self.fields}

    def __call__(self, clip: ClipView, rng: np.random.Generator) -> Example:
        start = _start(clip, self.num_frames, rng)
        stop = start + self.num_frames
        reference = _reference(clip.frames, start, stop, self.reference_gap, rng)

        def pictures() -> np.ndarray:
            return np.stack([_picture(clip, index, self.height, self.width) for index in range(start, stop)])

        make = {
            "reference": lambda: _picture(clip, reference, self.height, self.width),
            "frames": pictures,
            "poses": lambda: _poses(clip, start, stop),
            "pose_window": lambda: _poses(clip, start - self.margin, stop + self.margin),
            "pose_images": lambda: poses.draw(clip.poses(start, stop), self.height, self.width),
            "latents": lambda: np.stack([clip.computed("latents", index) for index in range(start, stop)]),
            "reference_latents": lambda: clip.computed("latents", reference),
            "reference_token": lambda: clip.computed("embeddings", reference),
            "tokens": lambda: clip.tokens(start, stop).astype(np.int32),
        }
        return {name: make[name]() for name in self.fields}


def _reference(frames: int, start: int, stop: int, gap: int, rng: np.random.Generator) -> int:
    """A frame of a clip of `frames`, at least `gap` from the frames start to stop - 1, or as far as the clip allows."""
    index = np.arange(frames)
    distance = np.maximum(np.maximum(start - index, index - (stop - 1)), 0)
    return int(rng.choice(np.flatnonzero(distance >= min(gap, distance.max()))))


@dataclasses.dataclass(frozen=True)
class RandomCrop:
    """Autoencoder: a random crop of a random frame, "frames" (height, width, 3) uint8; the whole frame at its own size.

    Raises ValueError where a frame is smaller.
    """

    reads: ClassVar[tuple[str, ...]] = (FRAMES,)
    height: int
    width: int

    def spec(self) -> Spec:
        return {"frames": ((self.height, self.width, 3), _BYTE)}

    def __call__(self, clip: ClipView, rng: np.random.Generator) -> Example:
        picture = clip.image(_start(clip, 1, rng))
        if picture.shape[0] < self.height or picture.shape[1] < self.width:
            raise ValueError(
                f"record {clip.id}: frames are {picture.shape[0]}x{picture.shape[1]}, smaller than the crop "
                f"{self.height}x{self.width}; lower config.data.height and width"
            )
        top = rng.integers(picture.shape[0] - self.height + 1)
        left = rng.integers(picture.shape[1] - self.width + 1)
        return {"frames": picture[top : top + self.height, left : left + self.width]}


def _picture(clip: ClipView, frame: int, height: int, width: int) -> np.ndarray:
    picture = clip.image(frame)
    if picture.shape != (height, width, 3):
        raise ValueError(
            f"record {clip.id}: frames are {picture.shape[0]}x{picture.shape[1]}, the loader was asked for "
            f"{height}x{width}; prepare the data set at that size"
        )
    return picture
