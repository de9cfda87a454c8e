"""Preparing copies of a video by one worker and by two, and where the time of one goes.

As a module of its own it is the process whose threads are held to one: python -m benchmarks.measures.preparing_speed
JSON
"""

import contextlib
import functools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple
from unittest import mock

from benchmarks.measures import footage, music_speed
from benchmarks.measures.found import Found
from benchmarks.measures.spans import Spans
from data_pipeline import image_files, poses, schema, video_files
from data_pipeline.preparation import estimators, videos
from data_pipeline.preparation.jobs import Job

BAR: Final = 1.6  # times one worker's clips an hour
PARTS: Final = ("decode", "pose", "music", "pictures", "write", "rest")


class Sizes(NamedTuple):
    """video: to be copied; "" for a toy one of `seconds`, height x width. copies: to prepare, to pictures of `size`.
    repeats: turns of one worker and of two."""

    video: str = ""
    seconds: float = 6.0
    height: int = 360
    width: int = 640
    copies: int = 40
    size: tuple[int, int] = (896, 512)
    workers: tuple[int, ...] = (1, 2)
    repeats: int = 1


BRIEF = Sizes(seconds=1.0, height=180, width=320, copies=2, size=(64, 32), workers=(1,))


def measure(sizes: Sizes = Sizes()) -> Found:  # noqa: B008 (frozen)
    """A row a number of workers, each on a core of its own where there are as many; then the parts of one clip."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        video = Path(sizes.video) if sizes.video else footage.write_video(
            folder / "toy.mp4", sizes.seconds, sizes.height, sizes.width
        )
        song = footage.write_song(folder / "song.wav", _seconds(video) + 1)
        copies = footage.write_copies(video, folder, sizes.copies)
        table = footage.write_table(folder / "videos.csv", copies, song)
        parts = split(footage.jobs(table, sizes.size)[0])
        took: dict[int, list[tuple[float, float]]] = {workers: [] for workers in sizes.workers}
        for turn in range(sizes.repeats):
            for workers, seconds in took.items():
                data = folder / f"data{turn}{workers}"
                seconds.append(prepared(footage.arguments(table, data, sizes.size, workers), workers))
        hour = on_disk(video, data / "videos", sizes.copies)
    rows = []
    for workers, turns in took.items():
        seconds, processor = (statistics.median(each) for each in zip(*turns, strict=True))
        rows.append({
            "workers": workers, "clips": sizes.copies, "seconds": seconds, "processor_seconds": processor,
            "clips_an_hour": 3600 * sizes.copies / seconds,
        })
    told = ", ".join(f"{name} {seconds:.2f}" for name, seconds in parts.items())
    figures = {
        "rows": rows, "one_clip_seconds": parts, "turns": {str(w): s for w, s in took.items()},
        "gigabytes_an_hour": hour,
    }
    if len(rows) < 2:
        return Found(f"seconds of one clip: {told}", "", None, figures)
    ratio = figures["ratio"] = rows[0]["seconds"] / rows[1]["seconds"]
    return Found(
        f"two workers are {ratio:.2f} times as fast as one; seconds of one clip: {told}",
        f"{BAR} times", ratio >= BAR, figures,
    )


def on_disk(video: Path, data: Path, clips: int) -> dict[str, float]:
    """GB that an hour of the video takes, and each part of the set of so many copies; all have one song."""
    seconds = _seconds(video)
    hours = {part: clips * seconds / 3600 for part in schema.PARTS} | {"songs": (seconds + 1) / 3600}
    sizes = {
        part: sum(file.stat().st_size for file in (data / part).rglob("*") if file.is_file()) for part in schema.PARTS
    }
    raw = video.stat().st_size / 1e9 / (seconds / 3600)
    return {"video": raw} | {part: size / 1e9 / hours[part] for part, size in sizes.items()}


def _seconds(video: Path) -> float:
    return max(frame.seconds for frame in video_files.iter_video(video))


def prepared(arguments: list[str], cores: int) -> tuple[float, float]:
    """Seconds that launch.prepare takes on so many cores (Linux), from its start to its end: by the clock, and of
    processors.

    Raises ValueError with its last line where it fails."""
    allowed = os.sched_getaffinity(0)
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    os.sched_setaffinity(0, sorted(allowed)[:cores])  # of this thread, and so of what it starts
    try:
        done = subprocess.run(
            [sys.executable, "-m", "launch.prepare", *arguments], text=True, capture_output=True, check=False,
        )
    finally:
        os.sched_setaffinity(0, allowed)
    if done.returncode:
        raise ValueError(f"launch.prepare ended with {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def split(job: Job) -> dict[str, float]:
    """Seconds of the parts of a job, in this process, on one core; what is measured inside another is left out of it.

    decode: frames, twice. pose: of every frame, and of everyone twice a second. music: reading and features. pictures:
    crop and JPEG. write: the clip's file. rest: what else the job is."""
    estimator, spans = estimators.estimator(**job.models["estimator"]), Spans()
    with music_speed.one_core(), contextlib.ExitStack() as stack:
        for name, owner, attribute in (("decode", video_files, "iter_video"), ("pose", estimator, "video")):
            stepped = functools.partial(_steps, spans, name, getattr(owner, attribute))
            stack.enter_context(mock.patch.object(owner, attribute, stepped))
        stack.enter_context(spans.around(
            everyone=(estimator, "everyone"), music=(videos, "_heard"), write=(videos, "_write"),
            crop=(poses, "crop_image"), jpeg=(image_files, "encode_jpeg"),
        ))
        for _ in range(2):  # models and kernels are loaded by the first
            spans.calls.clear()
            with tempfile.TemporaryDirectory() as folder, spans.span("rest"):
                videos.make(job, Path(folder))
    own = {name: sum(spans.own(name)) for name in list(spans.calls)}
    own["pose"] += own.pop("everyone")
    own["pictures"] = own.pop("crop") + own.pop("jpeg")
    return {name: own[name] for name in PARTS}


def _steps(spans: Spans, name: str, function: Callable[..., Iterator[Any]], *given: Any) -> Iterator[Any]:
    """What `function` gives, each step counted as a call of `name`."""
    steps = function(*given)
    while True:
        with spans.span(name):
            step = next(steps, None)
        if step is None:
            return
        yield step


if __name__ == "__main__":
    print(json.dumps(measure(Sizes(**json.loads(sys.argv[1])))))


__all__ = ["BAR", "BRIEF", "PARTS", "Sizes", "measure", "on_disk", "prepared", "split"]
