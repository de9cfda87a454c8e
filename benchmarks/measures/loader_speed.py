"""Examples a second of each stage's loader, beside a torch DataLoader over folders of frames.

As a module of its own it is a process, since worker processes begin with its main: python -m
benchmarks.measures.loader_speed JSON
"""

import contextlib
import functools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple
from unittest import mock

from absl import flags

from benchmarks.measures import frame_folders, start
from benchmarks.measures.found import Found
from benchmarks.measures.frame_folders import Windows
from data_pipeline import loaders, sources
from launch.shell import memory

BAR: Final = 1.5  # times torch's
_FIELDS: Final = ("reference", "frames", "poses")


class Case(NamedTuple):
    """loader: its name in data_pipeline/loaders.py. batch: examples. given: what it takes, for torch too.
    kept: whether records stay in memory, as they do up to record_files.CACHE_BYTES: real pictures are too many for
    that. shipped: counts for the bar; the others show what reading costs."""

    loader: str
    batch: int
    given: dict[str, Any]
    kept: bool
    shipped: bool = True


class Sizes(NamedTuple):
    """clips: toy ones, of `frames` each. workers: processes. seconds: of a turn, at least. ahead: batches that are
    taken before a turn, which may lie ready; they are made in the `pause` seconds before."""

    clips: int = 8
    frames: int = 120
    size: tuple[int, int] = (896, 512)
    crop: int = 256
    workers: tuple[int, ...] = (0, 1, 2)
    seconds: float = 1.0
    pause: float = 0.5
    ahead: int = 12
    repeats: int = 3


BRIEF = Sizes(2, 96, (64, 32), 16, (0,), 0.02, 0.0, 2, 1)


def cases(sizes: Sizes) -> dict[str, Case]:
    height, width = sizes.size
    video = {"height": height, "width": width, "fields": _FIELDS}
    return {
        "tokenizer": Case("tokenizer", 64, {"length": 64}, True),
        "tokenizer, nothing kept": Case("tokenizer", 64, {"length": 64}, False, False),
        "motion": Case("motion", 24, {}, True),
        "motion, nothing kept": Case("motion", 24, {}, False, False),
        "video appearance": Case("video", 8, {"num_frames": 1, **video}, False),
        "video motion": Case("video", 1, {"num_frames": 16, **video}, False),
        "autoencoder": Case("frames", 16, {"height": sizes.crop, "width": sizes.crop}, False),
    }


def measure(sizes: Sizes = Sizes()) -> Found:  # noqa: B008 (frozen)
    """A row a loader and number of workers: medians of turns, ours and torch's one after the other."""
    frame_folders.check_torch()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        data = start.prepared(Path(folder), sizes.clips, sizes.frames, *sizes.size)
        frame_folders.write(data, "train", Path(folder, "folders"))
        for name, case in cases(sizes).items():
            for workers in sizes.workers:
                with ours(data, case, workers) as own, theirs(data, Path(folder, "folders"), case, workers) as other:
                    own_turns, other_turns = rates(own, other, case.batch, sizes)
                rows.append({
                    "loader": name, "batch": case.batch, "workers": workers, "ours": own_turns.rate,
                    "torch": other_turns.rate, "ratio": own_turns.rate / other_turns.rate,
                    "ours_processor_ms": own_turns.processor, "torch_processor_ms": other_turns.processor,
                    "shipped": case.shipped,
                })
    counted = [row for row in rows if row["shipped"]]
    short = [f"{row['loader']} with {row['workers']}" for row in counted if row["ratio"] < BAR]
    told = f"{len(counted) - len(short)} of {len(counted)} reach it" + (f", not {', '.join(short)}" if short else "")
    return Found(told, f"{BAR} times torch's examples a second", not short, {"rows": rows})


@contextlib.contextmanager
def ours(data: str, case: Case, workers: int) -> Iterator[Iterator[Any]]:
    """Batches of the package's loader."""
    opened = sources.from_directory if case.kept else functools.partial(sources.from_directory, cache_bytes=0)
    with mock.patch.object(sources, "from_directory", opened):
        batches = getattr(loaders, case.loader)(data, "train", case.batch, worker_count=workers, **case.given)
        next(batches)
    try:
        yield batches
    finally:
        batches.close()


@contextlib.contextmanager
def theirs(data: str, folder: Path, case: Case, workers: int) -> Iterator[Iterator[Any]]:
    """Batches of torch's loader over the same clips."""
    batches = frame_folders.batches(Windows(folder, case.loader, given(data, case)), case.batch, workers)
    next(batches)
    yield batches
    del batches  # which ends its workers


def given(data: str, case: Case) -> dict[str, Any]:
    """What Windows takes for the same examples."""
    found = dict(case.given)
    if case.loader == "motion":
        found["features"] = sources.features(data)
    for name in ("height", "width") if case.loader == "video" else ():
        del found[name]
    return found


class Turns(NamedTuple):
    """Medians: examples a second, and what an example takes of processors, in ms."""

    rate: float
    processor: float


def rates(own: Iterator[Any], other: Iterator[Any], batch: int, sizes: Sizes) -> list[Turns]:
    """Of both."""
    found: list[list[tuple[float, float]]] = [[], []]
    for _ in range(sizes.repeats):
        for batches, kept in zip((own, other), found, strict=True):
            time.sleep(sizes.pause)  # the other one's workers come to rest
            for _ in range(sizes.ahead):
                next(batches)
            count, took, computed, began = 0, 0.0, processor(), time.perf_counter()
            while not count or took < sizes.seconds:
                next(batches)
                count += batch
                took = time.perf_counter() - began
            kept.append((count / took, 1e3 * (processor() - computed) / count))
    return [Turns(*map(statistics.median, zip(*turns, strict=True))) for turns in found]


def processor() -> float:
    """Seconds that this process and its children have computed (Linux; of children to a hundredth)."""
    ticks, own = 0, str(os.getpid())
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            fields = stat.read_text().rpartition(")")[2].split()
            ticks += (int(fields[11]) + int(fields[12])) * (fields[1] == own)
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    flags.FLAGS(sys.argv[:1])  # Grain's processes want them parsed
    memory.keep_freed()  # as launch.train does on a CPU; torch in this process has it too
    print(json.dumps(measure(Sizes(**json.loads(sys.argv[1])))))


__all__ = [
    "BAR", "BRIEF", "Case", "Sizes", "Turns", "cases", "given", "measure", "ours", "processor", "rates", "theirs",
]
