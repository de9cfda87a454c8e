"""Memory of preparing one long clip, and of few and many short ones.

As a module of its own it is what measures, and with "what" one launch.prepare, which tells how much memory it held:
python -m benchmarks.measures.long_clips JSON
"""

import itertools
import json
import runpy
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple
from unittest import mock

import numpy as np

from benchmarks.measures import footage
from benchmarks.measures.found import Found, of_processes
from data_pipeline.video_files import Frame

BAR: Final = 2e9  # bytes
FLAT: Final = 1.1  # of the many short clips over the few


class Sizes(NamedTuple):
    """video: whose frames are shown; "" for a toy dancer. minutes: of the long clip, height x width at 30 fps with
    sound; a tenth of it is measured too. pose_every: poses of one frame in so many are found, and held in between.
    short: numbers of clips of `seconds`. size: of the pictures."""

    video: str = ""
    minutes: float = 20.0
    height: int = 720
    width: int = 1280
    pose_every: int = 1
    short: tuple[int, ...] = (4, 16)
    seconds: float = 3.0
    size: tuple[int, int] = (896, 512)


BRIEF = Sizes(minutes=0.15, height=180, width=320, pose_every=10, short=(2, 4), seconds=0.8, size=(64, 32))


def measure(sizes: Sizes = Sizes()) -> Found:  # noqa: B008 (frozen)
    """A row a set. The long one's last clip, which makes the test split, is a second long."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        short = footage.write_video(folder / "short.mp4", sizes.seconds, sizes.height, sizes.width, sizes.video)
        for count in sizes.short:
            (folder / f"{count}").mkdir()
            copies = footage.write_copies(short, folder / f"{count}", count)
            rows.append(_row(f"{count} clips of {sizes.seconds:g} s", copies, folder / f"set{count}", sizes))
        for minutes in (sizes.minutes / 10, sizes.minutes):
            video = footage.write_video(folder / "long.mp4", 60 * minutes, sizes.height, sizes.width, sizes.video)
            rows.append(_row(f"{minutes:g} minutes", [video, short], folder / f"set{minutes}", sizes))
    few, many, part, whole = (row["megabytes"] for row in rows)
    growth = (whole - part) / (0.9 * sizes.minutes)
    found = f"{rows[-1]['set']} {whole / 1e3:.2f} GB, {growth:.1f} MB more a minute"
    told = f"{found}; {sizes.short[1]} clips {many / few:.2f} times {sizes.short[0]}"
    met = whole * 1e6 < BAR and many / few < FLAT
    return Found(
        told, f"below {BAR / 1e9:.0f} GB, and flat in the number of clips", met,
        {"rows": rows, "pose_every": sizes.pose_every, "megabytes_a_minute": growth},
    )


def _row(name: str, videos: list[Path], data: Path, sizes: Sizes) -> dict[str, Any]:
    table = footage.write_table(data.with_suffix(".csv"), videos)
    given = {"arguments": footage.arguments(table, data, sizes.size), "pose_every": sizes.pose_every}
    found = of_processes([["benchmarks.measures.long_clips", json.dumps({"what": "prepare", **given})]])[0]
    return {"set": name, **found}


def held(poses_of: Callable[[Iterable[Frame]], Iterator[np.ndarray]], every: int, frames: Iterable[Frame]):
    """Poses (60, 3) of all frames, those of every `every`-th found by `poses_of`. All frames are read in any case."""
    counts = itertools.count()
    skipped = []

    def some() -> Iterator[Frame]:
        for frame in frames:
            if next(counts) % every == 0:
                yield frame
            else:
                skipped.append(None)

    last = None
    for pose in poses_of(some()):
        for _ in skipped:
            yield last
        skipped.clear()
        yield (last := pose)
    for _ in skipped:
        yield last


def _prepare(given: dict[str, Any]) -> dict[str, float]:
    """launch.prepare in this process, and the most memory that it had (Linux)."""
    from data_pipeline.pose_estimation import MediaPipeEstimator

    found = MediaPipeEstimator.video

    def video(self: MediaPipeEstimator, frames: Iterable[Frame]) -> Iterator[np.ndarray]:
        return held(lambda some: found(self, some), given["pose_every"], frames)

    with mock.patch.object(MediaPipeEstimator, "video", video), mock.patch.object(
        sys, "argv", ["launch.prepare", *given["arguments"]]
    ):
        try:
            runpy.run_module("launch.prepare", run_name="__main__", alter_sys=True)
        except SystemExit as ended:
            if ended.code:
                raise
    return {"megabytes": peak() / 1e6}


def peak() -> int:
    """Bytes that this process held at most since it began (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    print(json.dumps(_prepare(asked) if asked.pop("what", "") == "prepare" else measure(Sizes(**asked))))


__all__ = ["BAR", "BRIEF", "FLAT", "Sizes", "held", "measure", "peak"]
