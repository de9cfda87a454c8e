"""A prepared clip and its song's sound as files, and what is told of them."""

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from data_pipeline import music, prepared_clips
from data_pipeline.preparation.jobs import Made
from data_pipeline.skeleton import PARTS

NO_MUSIC = "none"  # in place of a feature set's name


def write(folder: Path, record: Mapping[str, Any], **known: Any) -> Made:
    """Writes ID.npz of a record (prepared_clips) without its sound, and the sound, named by what is heard.

    record: with "id", "poses" (F, 60, 3), and what else the clip has. known: further fields of Made.
    """
    sound = {name: record[name] for name in ("audio", "audio_rate") if name in record}
    kept = {name: value for name, value in record.items() if name not in sound}
    if sound:
        kept["sound"] = hashlib.sha256(sound["audio"].tobytes() + str(sound["audio_rate"]).encode()).hexdigest()[:16]
    file = folder / f"{len(list(folder.iterdir())):04d}.npz"
    digest = prepared_clips.write(file, kept)
    made = Made(
        id=record["id"], file=file.name, digest=digest, frames=len(record["poses"]),
        confidence=confidences(record["poses"]), tempo=tempo(record.get("beats")), size=file.stat().st_size, **known,
    )
    return write_sound(folder, made, sound, kept["sound"]) if sound else made


def write_sound(folder: Path, made: Made, sound: Mapping[str, Any], name: str) -> Made:
    """Adds the sound of a clip, which others of the job may have written already."""
    file = folder / f"sound-{name}.npz"
    digest = prepared_clips.write(file, {"id": name, **sound})
    return dataclasses.replace(made, sound=file.name, sound_digest=digest)


def heard(features: str, audio: np.ndarray, rate: int, frames: int) -> dict[str, np.ndarray]:
    """Fields "music" (F, width) and "beats" (N,) of a record, from (N,) float32 samples; nothing for NO_MUSIC."""
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


__all__ = ["NO_MUSIC", "confidences", "heard", "tempo", "write", "write_sound"]
