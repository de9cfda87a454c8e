"""Stored poses as jobs: cropped as the paper does, at 30 fps; for the tokenizer, which needs no music or pictures.

The last frames of every clip are the test split, unless lists or a hash decide.
"""

import re
from pathlib import Path
from typing import Any, Final

import numpy as np

from data_pipeline import pose_files, pose_formats, poses, smoothing
from data_pipeline.music import FPS
from data_pipeline.pose_formats import Clip
from data_pipeline.preparation import clip_files, listing
from data_pipeline.preparation.jobs import Job, Made

SUFFIXES: Final = (".npz", ".json", ".pkl", ".csv", ".bvh", ".npy")
MOST_LOST: Final = 0.05  # share of a video's frames that may be cut off or broken


def jobs(where: str, settings: dict[str, Any]) -> list[Job]:
    """A pose file each. settings: "held_out", 0 for one split a file; "smoothing"; "height", "width" and "fps" of files
    that do not state them, 0 for none. A list names single ones as FILE:HEIGHTxWIDTH:FPS."""
    made = []
    for source in listing.find(where, SUFFIXES, folders=True):
        path, stated = parse(source.path)
        made.append(Job(source.id, path, {**source.columns, **stated}, settings))
    return made


def make(job: Job, folder: Path) -> list[Made]:
    """One clip, or one a split."""
    found = cropped(job.path, smoothing.smooth(load(job), job.settings["smoothing"]))
    made = []
    for split, start, stop in _parts(job, len(found)):
        provenance = {
            "source": Path(job.path).name, "start": start / FPS, "stop": stop / FPS, "estimator": "stored",
            "smoothing": job.settings["smoothing"],
        }
        name = f"{job.id}-{split}" if split else job.id
        record = {"id": name, "fps": FPS, "poses": found[start:stop], "provenance": provenance}
        columns = {**job.columns, "split": split} if split else job.columns
        made.append(clip_files.write(folder, record, columns=columns, start=start / FPS, stop=stop / FPS))
    return made


def _parts(job: Job, frames: int) -> list[tuple[str, int, int]]:
    """(split, start, stop) of the frames; "" for what is not split here."""
    if not job.settings["held_out"]:
        return [("", 0, frames)]
    first = round(frames * (1 - job.settings["held_out"]))
    if first in (0, frames):
        raise ValueError(f"{job.path}: {frames} frames at {FPS} fps leave a split without any; change config.held_out")
    return [("train", 0, first), ("test", first, frames)]


def load(job: Job) -> Clip:
    """The pose file of a job. Raises ValueError where nobody states its size and rate."""
    known = {name: float(job.columns.get(name) or job.settings[name]) for name in ("height", "width", "fps")}
    try:
        return pose_files.load_poses(job.path, **{name: value for name, value in known.items() if value})
    except pose_formats.UnstatedError as error:
        fields = ", ".join(f"config.poses.{name}" for name in error.lacking.split(", "))
        raise ValueError(
            f"{job.path}: does not state its {error.lacking}; name it as FILE:HEIGHTxWIDTH:FPS in a list, or set "
            f"{fields}"
        ) from error


def parse(file: str) -> tuple[str, dict[str, str]]:
    """FILE or FILE:HEIGHTxWIDTH:FPS -> the path and what was stated of it. Raises ValueError for a size of 0."""
    found = re.fullmatch(r"(.+):(\d+)x(\d+):(\d+(?:\.\d+)?)", file)
    if not found:
        return file, {}
    if not all(float(value) for value in found.groups()[1:]):
        raise ValueError(f"{file}: FILE:HEIGHTxWIDTH:FPS must be positive numbers")
    return found[1], dict(zip(("height", "width", "fps"), found.groups()[1:], strict=True))


def damage(where: str, clip: Clip) -> str:
    """What is wrong with poses of whose video more than MOST_LOST of the frames are cut off, in one line; "" else."""
    whole = len(clip.poses) + clip.lost
    if clip.lost <= MOST_LOST * whole:
        return ""
    return (
        f"{where}: its video was cut off or damaged, {len(clip.poses)} of {whole} frames are there; a data set "
        f"needs {1 - MOST_LOST:.0%}: get the whole video, or save the part that is there as a video of its own"
    )


def cropped(where: str, clip: Clip) -> np.ndarray:
    """Poses (F, 60, 3) in record coordinates of the paper's crop, at 30 fps. Raises ValueError naming `where`, also
    where more than MOST_LOST of the frames of the poses' video are cut off."""
    if told := damage(where, clip):
        raise ValueError(told)
    try:
        box = poses.crop_box(clip.poses, clip.height, clip.width)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    height, width = box[3] - box[1], box[2] - box[0]
    inside = poses.normalise(poses.crop_poses(clip.poses, box, height, width), height, width)
    return poses.resample(inside, clip.times, FPS)


__all__ = ["MOST_LOST", "SUFFIXES", "cropped", "damage", "jobs", "load", "make", "parse"]
