"""What a window reads where a record of pictures holds one frame, or a run of them.

As a module of its own it is a process: python -m benchmarks.measures.picture_records JSON
"""

import functools
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import timing
from benchmarks.measures.found import Found
from data_pipeline import image_files, toy

Places = list[tuple[int, list[int]]]  # (clip, frames) of each example
WINDOWS = {"appearance": 1, "motion": 16}  # consecutive frames beside the reference


class Sizes(NamedTuple):
    """runs: frames a record. frames: of each clip. examples: of a turn."""

    runs: tuple[int, ...] = (1, 8, 32)
    clips: int = 8
    frames: int = 256
    size: tuple[int, int] = (896, 512)
    examples: int = 200
    repeats: int = 5


BRIEF = Sizes((1, 4), 2, 40, (64, 32), 10, 1)


class Runs:
    """ArrayRecord files of JPEG files, `run` of a clip a record, each with its length before it."""

    def __init__(self, path: str, clips: Sequence[Sequence[bytes]], run: int):
        from array_record.python import array_record_data_source, array_record_module

        self._run, self._records_of_a_clip = run, -(-len(clips[0]) // run)
        writer = array_record_module.ArrayRecordWriter(path, "group_size:1")
        for pictures in clips:
            for start in range(0, len(pictures), run):
                writer.write(joined(pictures[start : start + run]))
        writer.close()
        self._source, self.bytes_read = array_record_data_source.ArrayRecordDataSource([path]), 0

    def read(self, clip: int, frames: Sequence[int]) -> list[bytes]:
        """JPEG files of the frames, in their order; each record that holds some is read once."""
        wanted = sorted({frame // self._run for frame in frames})
        records = self._source.__getitems__([clip * self._records_of_a_clip + number for number in wanted])
        self.bytes_read += sum(map(len, records))
        parts = {number: parted(record) for number, record in zip(wanted, records, strict=True)}
        return [parts[frame // self._run][frame % self._run] for frame in frames]


def joined(pictures: Sequence[bytes]) -> bytes:
    """A record of them."""
    return b"".join(len(picture).to_bytes(4, "little") + picture for picture in pictures)


def parted(record: bytes) -> list[bytes]:
    """What was joined."""
    found, place = [], 0
    while place < len(record):
        stop = place + 4 + int.from_bytes(record[place : place + 4], "little")
        found.append(record[place + 4 : stop])
        place = stop
    return found


def measure(sizes: Sizes = Sizes()) -> Found:  # noqa: B008 (frozen)
    """The same windows of every layout: examples a second without decoding, bytes read, and bytes of the pictures."""
    dances = (toy.make_clip(0, index, "train", sizes.frames, *sizes.size) for index in range(sizes.clips))
    clips = [list(map(image_files.encode_jpeg, dance["frames"])) for dance in dances]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        layouts = [Runs(str(Path(folder, f"{run}.array_record")), clips, run) for run in sizes.runs]
        for window, length in WINDOWS.items():
            places = windows(sizes, length)
            used = sum(len(clips[clip][frame]) for clip, frames in places for frame in frames) / len(places)
            turns = [functools.partial(_read, layout, places) for layout in layouts]
            seconds = timing.medians(sizes.repeats, *turns)
            for run, layout, each in zip(sizes.runs, layouts, seconds, strict=True):
                rows.append(_row(window, run, layout, places, used, each))
    told = ", ".join(
        f"{row['window']} by {row['frames_a_record']} {row['times_what_it_uses']:.1f}" for row in rows
    )
    return Found(f"bytes read over bytes used: {told}", "", None, {"rows": rows})


def _read(layout: Runs, places: Places) -> None:
    for place in places:
        layout.read(*place)


def _row(window: str, run: int, layout: Runs, places: Places, used: float, seconds: float) -> dict[str, Any]:
    layout.bytes_read = 0
    _read(layout, places)
    read = layout.bytes_read / len(places)
    return {
        "window": window, "frames_a_record": run, "examples_a_second": len(places) / seconds,
        "kilobytes_read": read / 1e3, "kilobytes_used": used / 1e3, "times_what_it_uses": read / used,
    }


def windows(sizes: Sizes, length: int) -> Places:
    """`length` consecutive frames and a reference anywhere."""
    rng, found = np.random.default_rng(0), []
    for _ in range(sizes.examples):
        start = int(rng.integers(sizes.frames - length + 1))
        reference = int(rng.integers(sizes.frames))
        found.append((int(rng.integers(sizes.clips)), [reference, *range(start, start + length)]))
    return found


if __name__ == "__main__":
    print(json.dumps(measure(Sizes(**json.loads(sys.argv[1])))))


__all__ = ["BRIEF", "WINDOWS", "Runs", "Sizes", "joined", "measure", "parted", "windows"]
