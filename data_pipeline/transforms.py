"""Record -> example: the random windows that each stage trains on. Plain numpy; chance comes from Grain's generator.

Each transform is a callable (record, rng) -> dict of arrays, for `MapDataset.random_map`; `spec` tells their shapes and
dtypes without any data.
"""

import dataclasses
from typing import Any

import numpy as np

from data_pipeline import media, music, poses
from data_pipeline.schema import Record
from data_pipeline.skeleton import NUM_JOINTS

Example = dict[str, np.ndarray]
Spec = dict[str, tuple[tuple[int, ...], np.dtype]]  # field -> shape and dtype

_FLOAT, _INT, _BYTE = np.dtype(np.float32), np.dtype(np.int32), np.dtype(np.uint8)
_POSE = (NUM_JOINTS, 3)


def _start(record: Record, field: str, length: int, rng: np.random.Generator) -> int:
    """First frame of a random window of `length` frames. Raises ValueError where the clip is shorter."""
    frames = len(record[field])
    if frames < length:
        raise ValueError(
            f"record {record['id']}: {field} has {frames} frames, the window needs {length}; "
            "drop clips this short or shorten the window"
        )
    return int(rng.integers(frames - length + 1))


def _poses(record: Record, start: int, stop: int) -> np.ndarray:
    """A copy of the poses (stop - start, 60, 3); before the clip its first pose, after it its last."""
    return record["poses"][np.clip(np.arange(start, stop), 0, len(record["poses"]) - 1)]


@dataclasses.dataclass(frozen=True)
class PoseWindow:
    """Stage 1: "poses" (length, 60, 3), consecutive."""

    length: int = 64

    def spec(self) -> Spec:
        return {"poses": ((self.length, *_POSE), _FLOAT)}

    def __call__(self, record: Record, rng: np.random.Generator) -> Example:
        start = _start(record, "poses", self.length, rng)
        return {"poses": record["poses"][start : start + self.length]}


@dataclasses.dataclass(frozen=True)
class MotionWindow:
    """Stage 2: `previous` frames and the `length` frames that follow, with music (paper section "Stage 2").

    The first frame to predict is uniform over the clip. What lies before the clip's start is its first pose and zero
    music. With probability `static_context_rate` all previous poses are the first pose to predict, as when a photo
    starts a dance; their music stays. Music is normalised; zero stands for "no music yet".

    Gives "poses" (A+P+T+A, 60, 3), "music" (P+T, 35), "context_index" (C,) int32 sorted, drawn uniformly from the P
    frames (without replacement while C <= P), "song" (G, 35). The A = `margin` frames more on either side are for the
    tokenizer to look at: a frame's tokens depend on its neighbours.
    """

    previous: int = 64
    length: int = 64
    num_context: int = 8
    song_bins: int = 64
    static_context_rate: float = 0.2
    margin: int = 0

    def spec(self) -> Spec:
        frames = self.previous + self.length
        return {
            "poses": ((frames + 2 * self.margin, *_POSE), _FLOAT),
            "music": ((frames, music.NUM_FEATURES), _FLOAT),
            "context_index": ((self.num_context,), _INT),
            "song": ((self.song_bins, music.NUM_FEATURES), _FLOAT),
        }

    def __call__(self, record: Record, rng: np.random.Generator) -> Example:
        start = _start(record, "poses", self.length, rng)
        index = np.arange(start - self.previous, start + self.length)
        window = _poses(record, index[0] - self.margin, index[-1] + 1 + self.margin)
        if rng.random() < self.static_context_rate:
            first = self.margin + self.previous
            window[:first] = window[first]
        song = music.normalise(record["music"])
        context = rng.choice(self.previous, self.num_context, replace=self.num_context > self.previous)
        return {
            "poses": window,
            "music": np.where(index[:, None] >= 0, song[np.maximum(index, 0)], np.float32(0)),
            "context_index": np.sort(context).astype(np.int32),
            "song": music.pool(song, self.song_bins),
        }


@dataclasses.dataclass(frozen=True)
class VideoWindow:
    """Stage 3: a random reference frame and `num_frames` consecutive frames of the same clip, decoded, with poses.

    Gives "reference" (H, W, 3) uint8, "frames" (F, H, W, 3) uint8, "poses" (F, 60, 3), "pose_window" (A+F+A, 60, 3),
    "pose_images" (F, H, W, 3) uint8. The A = `margin` frames more on either side are for the tokenizer to look at.
    `height` and `width` are those of the pictures; others are an error.
    """

    num_frames: int
    height: int
    width: int
    margin: int = 0

    def spec(self) -> Spec:
        picture = (self.height, self.width, 3)
        return {
            "reference": (picture, _BYTE),
            "frames": ((self.num_frames, *picture), _BYTE),
            "poses": ((self.num_frames, *_POSE), _FLOAT),
            "pose_window": ((self.num_frames + 2 * self.margin, *_POSE), _FLOAT),
            "pose_images": ((self.num_frames, *picture), _BYTE),
        }

    def __call__(self, record: Record, rng: np.random.Generator) -> Example:
        start = _start(record, "frames", self.num_frames, rng)
        reference = int(rng.integers(len(record["frames"])))
        window = slice(start, start + self.num_frames)
        return {
            "reference": _picture(record, reference, self.height, self.width),
            "frames": np.stack([_picture(record, start + i, self.height, self.width) for i in range(self.num_frames)]),
            "poses": record["poses"][window],
            "pose_window": _poses(record, window.start - self.margin, window.stop + self.margin),
            "pose_images": poses.draw(record["poses"][window], self.height, self.width),
        }


@dataclasses.dataclass(frozen=True)
class RandomCrop:
    """Autoencoder: a random crop of a random frame, "frames" (height, width, 3) uint8; the whole frame at its own size.

    Raises ValueError where a frame is smaller.
    """

    height: int
    width: int

    def spec(self) -> Spec:
        return {"frames": ((self.height, self.width, 3), _BYTE)}

    def __call__(self, record: Record, rng: np.random.Generator) -> Example:
        picture = media.decode_jpeg(record["frames"][_start(record, "frames", 1, rng)])
        if picture.shape[0] < self.height or picture.shape[1] < self.width:
            raise ValueError(
                f"record {record['id']}: frames are {picture.shape[0]}x{picture.shape[1]}, smaller than the crop "
                f"{self.height}x{self.width}; lower config.data.height and width"
            )
        top = rng.integers(picture.shape[0] - self.height + 1)
        left = rng.integers(picture.shape[1] - self.width + 1)
        return {"frames": picture[top : top + self.height, left : left + self.width]}


def _picture(record: dict[str, Any], index: int, height: int, width: int) -> np.ndarray:
    picture = media.decode_jpeg(record["frames"][index])
    if picture.shape != (height, width, 3):
        raise ValueError(
            f"record {record['id']}: frames are {picture.shape[0]}x{picture.shape[1]}, the loader was asked for "
            f"{height}x{width}; prepare the data set at that size"
        )
    return picture
