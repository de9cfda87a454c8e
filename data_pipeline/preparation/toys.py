"""Toy dances as jobs (data_pipeline/toy): music with known beats, exact poses, rendered pictures."""

from pathlib import Path
from typing import Any

import numpy as np

from data_pipeline import image_files, toy
from data_pipeline.preparation import clip_files
from data_pipeline.preparation.jobs import Job, Made


def jobs(settings: dict[str, Any]) -> list[Job]:
    """A clip each. The splits share no song and no dancer.

    settings: "seed", "train_clips", "test_clips", "frames", "height", "width", "choreography" and "music", the name of
    a feature set.
    """
    counts = {"train": settings["train_clips"], "test": settings["test_clips"]}
    kept = {name: value for name, value in settings.items() if name not in ("train_clips", "test_clips")}
    return [
        Job(f"toy-{split}-{index:06d}", "", {"split": split, "index": str(index)}, kept)
        for split, count in counts.items() for index in range(count)
    ]


def make(job: Job, folder: Path) -> list[Made]:
    settings, columns = job.settings, job.columns
    clip = toy.make_clip(
        settings["seed"], int(columns["index"]), columns["split"], settings["frames"], settings["height"],
        settings["width"], choreography=settings["choreography"],
    )
    del clip["beat_times"]  # exact, which those of songs are not
    samples = clip["audio"].astype(np.float32) / 32768
    heard = clip_files.heard(settings["music"], samples, clip["audio_rate"], settings["frames"])
    pictures = map(image_files.encode_jpeg, clip["frames"])
    sound = clip_files.write_sound(folder, clip.pop("audio"), clip.pop("audio_rate"))
    record = {**clip, **heard, "frames": pictures, "provenance": {"source": "toy", "seed": settings["seed"]}}
    return [clip_files.write(folder, record, sound, columns={"split": columns["split"], "song": clip["song"]})]


__all__ = ["jobs", "make"]
