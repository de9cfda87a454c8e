"""What a data set holds, in figures and as a picture: for a look before money is spent on training."""

import contextlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from etils import epath

from data_pipeline import report_figures, schema, set_index, sources
from data_pipeline.clip_views import ClipView
from data_pipeline.music import FPS
from data_pipeline.preparation.clip_files import confidences, tempo
from data_pipeline.record_files import DamagedError
from data_pipeline.schema import FRAMES

_HOUR: Final = 3600 * FPS  # frames


def lines(data_dir: str, looked_at: int) -> Iterator[str]:
    """Statistics of the set under `data_dir`, line by line; of each split `looked_at` clips, spread over it, are read.

    Damaged ones are counted and named. Raises as `sources.from_directory` does.
    """
    folder = sources.find(data_dir)
    about = set_index.read(folder)
    pictures = "no pictures" if about.size is None else f"pictures {about.size[0]}x{about.size[1]}"
    heard = "no music" if about.features is None else f"music {about.features.name} version {about.features.version}"
    yield f"{folder}: {pictures}, {heard}, fingerprint {about.fingerprint[:16]}"
    whole = set_index.read_splits(folder)
    for name, split in whole.items():
        yield from _split(folder, name, split, about, looked_at)
    yield from _disk(folder, sum(int(split.frames.sum()) for split in whole.values()))


def _split(
    folder: str, name: str, split: set_index.Split, about: set_index.About, looked_at: int
) -> Iterator[str]:
    frames = split.frames
    songs = len(set(split.songs[split.songs >= 0].tolist()))
    yield (
        f"{name}: {len(split)} clips, {songs} songs, {frames.sum() / _HOUR:.4g} h; seconds a clip "
        f"{frames.min() / FPS:.1f} to {frames.max() / FPS:.1f}, median {np.median(frames) / FPS:.1f}"
    )
    fields = ("poses", "provenance", *(("beats",) if about.features else ()))
    clips = sources.from_directory(folder, name, fields)
    found, damaged = [], []
    for clip in _spread(clips, looked_at):
        try:
            values = {field: clip.value(field) for field in fields if field != "poses"}
            found.append((clip.poses(0, clip.frames), values))
        except DamagedError as error:
            damaged.append(str(error))
    yield from (f"  {line}" for line in _figures(found))
    yield from (f"  {line}" for line in damaged)


def _figures(found: Sequence[tuple[np.ndarray, dict]]) -> Iterator[str]:
    if not found:
        return
    parts = [confidences(poses) for poses, _ in found]
    means = ", ".join(f"{part} {np.mean([clip[part] for clip in parts]):.2f}" for part in parts[0])
    yield f"{len(found)} clips looked at: mean confidence {means}"
    tempos = [beat for _, values in found if (beat := tempo(values.get("beats"))) is not None]
    if tempos:
        yield f"beats a minute {min(tempos):.0f} to {max(tempos):.0f}, median {np.median(tempos):.0f}"
    makers = Counter(_estimator(values["provenance"]) for _, values in found)
    yield "poses by " + ", ".join(f"{name} ({count})" for name, count in makers.most_common())


def _estimator(provenance: str) -> str:
    known = json.loads(provenance).get("estimator", {})
    return known.get("name", "unknown") if isinstance(known, dict) else str(known)


def _disk(folder: str, frames: int) -> Iterator[str]:
    sizes = {
        part: sum(file.stat().length for file in epath.Path(folder, part, schema.VERSION).iterdir())
        for part in schema.PARTS if epath.Path(folder, part).exists()
    }
    told = ", ".join(f"{part} {size / 1e6:.1f}" for part, size in sizes.items())
    yield f"disk: {told} MB; {sum(sizes.values()) / 1e9 / (frames / _HOUR):.2f} GB an hour of footage"


def _spread(clips: sources.StoredClips, count: int) -> Iterator[ClipView]:
    for row in report_figures.spread(len(clips), count):
        yield clips[int(row)]


def sheet(data_dir: str, split: str, count: int) -> np.ndarray:
    """Skeletons over a few frames of `count` clips spread over a split, a row each: a picture (H, W, 3) uint8.

    Damaged clips are left out. Raises as `sources.from_directory` does; ValueError where no clip is whole.
    """
    seen = set_index.read(sources.find(data_dir)).size is not None
    clips = sources.from_directory(data_dir, split, ("poses", FRAMES) if seen else ("poses",))
    rows = []
    for clip in _spread(clips, count):
        with contextlib.suppress(DamagedError):
            rows.append(_row(clip, seen))
    if not rows:
        raise ValueError(f"{data_dir}: no clip of split {split} is whole; copy or prepare the data set again")
    return np.concatenate(rows)


def _row(clip: ClipView, seen: bool) -> np.ndarray:
    numbers = report_figures.spread(clip.frames, report_figures.SHOWN)
    pictures = np.stack([clip.image(int(number)) for number in numbers]) if seen else None
    return report_figures.contact_sheet(pictures, np.stack([clip.poses(n, n + 1)[0] for n in numbers]))


__all__ = ["lines", "sheet"]
