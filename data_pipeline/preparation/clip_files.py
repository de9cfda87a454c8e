"""A prepared clip and its song's sound as files, and what is told of them."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from data_pipeline import music, prepared_clips
from data_pipeline.preparation.jobs import Made
from data_pipeline.skeleton import PARTS

NO_MUSIC = "none"  # in place of a feature set's name


class Sound(NamedTuple):
    """A song's sound as a file. name: by what is heard. digest: sha256 of the file."""

    name: str
    file: str
    digest: str


def write(folder: Path, record: Mapping[str, Any], sound: Sound | None = None, **known: Any) -> Made:
    """Writes ID.npz of a record (prepared_clips) without sound.

    record: with "id", "poses" (F, 60, 3), and what else the clip has. known: further fields of Made.
    """
    kept = {**record, "sound": sound.name} if sound else record
    file = folder / f"{len(list(folder.iterdir())):04d}.npz"
    digest = prepared_clips.write(file, kept)
    return Made(
        id=record["id"], file=file.name, digest=digest, frames=len(record["poses"]),
        sound=sound.file if sound else "", sound_digest=sound.digest if sound else "",
        confidence=confidences(record["poses"]), tempo=tempo(record.get("beats")), size=file.stat().st_size, **known,
    )


def write_sound(folder: Path, audio: np.ndarray, rate: int) -> Sound:
    """Writes the sound of a job's clips, (N,) int16 samples."""
    digest = hashlib.sha256(audio)
    digest.update(str(rate).encode())
    name = digest.hexdigest()[:16]
    file = folder / f"sound-{name}.npz"
    return Sound(name, file.name, prepared_clips.write(file, {"id": name, "audio": audio, "audio_rate": rate}))


class Pcm:
    """Sound that goes by, kept as int16 in a file that is open: memory holds a block of it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def keep(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """The blocks (n,) float32, each kept as it is taken."""
        for block in blocks:
            self._file.write(np.round(np.clip(block, -1, 1) * 32767).astype(np.int16).tobytes())
            yield block

    def samples(self) -> np.ndarray:
        """(N,) int16, of all that was kept, which the system reads from the file as it is needed."""
        self._file.flush()
        return np.memmap(self._file, np.int16, "r") if self._file.tell() else np.zeros(0, np.int16)


def heard(
    features: str, audio: np.ndarray | Iterable[np.ndarray], rate: int, frames: int
) -> dict[str, np.ndarray]:
    """Fields "music" (F, width) and "beats" (N,) of a record, from (N,) float32 samples or blocks of them; nothing for
    NO_MUSIC."""
    if features == NO_MUSIC:
        return {}
    found = music.hear(features, audio, rate, frames)
    return {"music": found.rows, "beats": found.beats}


def confidences(poses: np.ndarray) -> dict[str, float]:
    """Mean confidence of each part of the body."""
    return {part: float(poses[:, list(joints), 2].mean()) for part, joints in PARTS.items()}


def tempo(beats: np.ndarray | None) -> float | None:
    """Beats a minute by the median distance of beats, frames at 30 fps; None for fewer than two."""
    if beats is None or len(beats) < 2:
        return None
    return float(60 * music.FPS / np.median(np.diff(beats)))


__all__ = ["NO_MUSIC", "Pcm", "Sound", "confidences", "heard", "tempo", "write", "write_sound"]
