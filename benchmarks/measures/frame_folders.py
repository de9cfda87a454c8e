"""A data set as one writes it by hand for torch: a folder a clip, a JPEG file a frame, poses and music as .npy.

Only `batches` imports torch, and starts its workers.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from data_pipeline import clip_views, music, sources
from data_pipeline.feature_sets import FeatureSet

_ENDLESS: Final = 2**40  # examples


def write(data: str, split: str, folder: Path) -> None:
    """The clips of a split of the data set under `data`, from its very records."""
    fields = ("poses", "music", "frames")
    clips = sources.from_directory(data, split, fields)
    for row in range(len(clips)):
        record = clip_views.record(clips[row], fields)
        clip = folder / f"{row:04d}"
        clip.mkdir(parents=True)
        np.save(clip / "poses.npy", record["poses"])
        np.save(clip / "music.npy", record["music"])
        for number, picture in enumerate(record["frames"]):
            (clip / f"{number:06d}.jpg").write_bytes(picture)


class Windows:
    """Map-style: example `index` is a window of a clip by chance, of (0, index). The windows of
    data_pipeline/transforms.py, by other code: `cut` is one of the methods below, `given` what it takes."""

    def __init__(self, folder: Path, cut: str, given: dict[str, Any]):
        self._clips = sorted(folder.iterdir())
        self._cut, self._given = cut, given

    def __len__(self) -> int:
        return _ENDLESS

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng((0, index))
        clip = self._clips[rng.integers(len(self._clips))]
        return getattr(self, self._cut)(clip, rng, **self._given)

    def tokenizer(self, clip: Path, rng: np.random.Generator, length: int) -> dict[str, np.ndarray]:
        poses = np.load(clip / "poses.npy")
        start = rng.integers(len(poses) - length + 1)
        return {"poses": poses[start : start + length]}

    def motion(
        self, clip: Path, rng: np.random.Generator, features: FeatureSet, previous: int = 64, length: int = 64,
        num_context: int = 8, song_bins: int = 64, static_context_rate: float = 0.2,
    ) -> dict[str, np.ndarray]:
        poses, song = np.load(clip / "poses.npy"), features.normalise(np.load(clip / "music.npy"))
        start = rng.integers(len(poses) - length + 1)
        index = np.arange(start - previous, start + length)
        window = poses[np.maximum(index, 0)]
        if rng.random() < static_context_rate:
            window[:previous] = window[previous]
        return {
            "poses": window, "music": np.where(index[:, None] >= 0, song[np.maximum(index, 0)], np.float32(0)),
            "context_index": np.sort(rng.choice(previous, num_context, replace=False)).astype(np.int32),
            "song": music.pool(song, song_bins),
        }

    def video(
        self, clip: Path, rng: np.random.Generator, num_frames: int, fields: Sequence[str], gap: int = 30
    ) -> dict[str, np.ndarray]:
        poses = np.load(clip / "poses.npy")
        start = rng.integers(len(poses) - num_frames + 1)
        far = [f for f in range(len(poses)) if f <= start - gap or f >= start + num_frames - 1 + gap]
        found = {
            "reference": _picture(clip, rng.choice(far)),
            "frames": np.stack([_picture(clip, frame) for frame in range(start, start + num_frames)]),
            "poses": poses[start : start + num_frames],
        }
        return {field: found[field] for field in fields}

    def frames(self, clip: Path, rng: np.random.Generator, height: int, width: int) -> dict[str, np.ndarray]:
        picture = _picture(clip, rng.integers(len(list(clip.glob("*.jpg")))))
        top, left = (rng.integers(have - want + 1) for have, want in zip(picture.shape, (height, width), strict=False))
        return {"frames": picture[top : top + height, left : left + width]}


def _picture(clip: Path, frame: int) -> np.ndarray:
    with Image.open(clip / f"{frame:06d}.jpg") as image:
        return np.array(image.convert("RGB"))


def check_torch() -> None:
    """Raises ValueError, one line, where torch is not installed."""
    try:
        import torch.utils.data  # noqa: F401
    except ImportError as error:
        raise ValueError("loaders are compared with torch's: install it, pip install -e '.[parity]'") from error


def batches(windows: Windows, batch_size: int, workers: int) -> Iterator[dict[str, Any]]:
    """Of torch's DataLoader, its settings its own but for the workers, which are begun anew and not forked: this
    process has threads."""
    import torch.utils.data

    context = "spawn" if workers else None
    loader = torch.utils.data.DataLoader(
        windows, batch_size, num_workers=workers, multiprocessing_context=context
    )
    return iter(loader)


__all__ = ["Windows", "batches", "check_torch", "write"]
