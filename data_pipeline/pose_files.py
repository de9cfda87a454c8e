"""Pose files: our own .npz, written and read, and those of other programs, read (pose_layouts.py, pose_arrays.py,
motions.py).

Ours holds poses (F, 60, 3) in pixels, height, width, and fps, or the times (F,) of frames of no constant rate; of a
dance also tokens (F, S, K); of a video that was cut off also how many frames were lost.
"""

import io
import logging
import os
from pathlib import Path
from typing import Any, Final

import numpy as np

from data_pipeline import (
    frame_times,
    motions,
    npz_files,
    people,
    pose_arrays,
    pose_layouts,
    projection,
    safe_pickle,
    unseen,
)  # fmt: skip
from data_pipeline.files import one_line, write_atomically
from data_pipeline.pose_formats import Clip, Counts, UnstatedError
from data_pipeline.skeleton import NUM_JOINTS

_NUMBERS: Final = ("height", "width", "fps", "lost")  # single ones
_KEYS: Final = ("poses", *_NUMBERS, "times", "tokens")
_LARGEST: Final = 100_000  # pixels of a frame's side
_MOST_LOST: Final = 1 << 31
# A file gives coordinates in shares of the frame, not in pixels, where this part of them lies within this far: single
# joints are guessed far outside.
_MOST, _SHARES = 0.9, 2.0


def save_poses(
    path: str | os.PathLike[str], poses: np.ndarray, fps: float, height: int, width: int,
    tokens: np.ndarray | None = None,
) -> None:
    """save_clip for poses at a constant rate."""
    if not fps > 0:
        raise ValueError(f"{path}: fps {fps} must be positive")
    save_clip(path, Clip(np.asarray(poses), height, width, frame_times.at_rate(fps, len(poses)), tokens))


def save_clip(path: str | os.PathLike[str], clip: Clip) -> None:
    """Writes our file, whole or not at all; a constant rate as such. Raises ValueError as load_poses would, and for
    NaN."""
    path = Path(path)
    if path.suffix.lower() != ".npz":
        raise ValueError(f"{path}: a pose file is named .npz")
    if not np.isfinite(clip.poses).all():
        raise ValueError(f"{path}: poses hold NaN or infinity; mark a joint that is not seen by confidence 0")
    clip = _checked(path, clip)
    values = {key: value for key, value in clip._asdict().items() if value is not None and key in _KEYS}
    if not clip.lost:
        del values["lost"]
    fps = frame_times.constant_fps(clip.times)
    if fps:
        del values["times"]
        values["fps"] = fps
    content = io.BytesIO()
    np.savez_compressed(content, **values)
    write_atomically(path, content.getvalue())


def load_poses(
    path: str | os.PathLike[str], height: int | None = None, width: int | None = None, fps: float | None = None
) -> Clip:
    """Reads our file, or any layout of pose_layouts.KNOWN. Joints that were not seen get confidence 0 and a place
    (unseen.fill), of several people one is followed (people.follow), and frames without anybody are warned of. Joints
    in space are seen by projection.project. Clip.counts says what was odd.

    `height`, `width` and `fps` stand in for what the file does not state. A picture of joints in space has the size
    given, or the paper's.

    Raises:
        FileNotFoundError, ValueError: one line that names the file and what is wrong with it.
        UnstatedError: no frame size or rate to be had.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    given = {"height": height, "width": width, "fps": fps}
    clip = _checked(path, _ours(path) if _is_ours(path) else _others(path, _read(path), given))
    clip = clip._replace(poses=unseen.fill(clip.poses, clip.times))
    empty = np.flatnonzero((clip.poses[..., 2] == 0).all(axis=1))
    clip = clip._replace(counts=clip.counts._replace(nobody=len(empty)))
    if 0 < len(empty) < len(clip.poses):
        logging.getLogger(__name__).warning(
            "%s: %d of %d frames show nobody, the first of them frame %d; a body that counts as unseen stands in",
            path, len(empty), len(clip.poses), empty[0],
        )
    return clip


def _is_ours(path: Path) -> bool:
    names = npz_files.names(path) if not path.is_dir() and path.suffix.lower() == ".npz" else []
    return "poses" in names and not motions.are_in(names)


def _read(path: Path) -> pose_layouts.Found | motions.Motion:
    readers = {
        ".json": pose_layouts.read_json, ".npz": pose_arrays.read_npz, ".npy": pose_arrays.read_npy,
        ".pkl": pose_arrays.read_pickle, ".csv": motions.read_csv, ".bvh": motions.read_bvh,
    }  # fmt: skip
    read = pose_layouts.read_folder if path.is_dir() else readers.get(path.suffix.lower())
    if read is None:
        raise ValueError(f"{path}: not a pose file, by its suffix; known are: {pose_layouts.KNOWN}")
    try:
        return read(path)
    except (npz_files.UnreadableError, safe_pickle.RefusedError):
        raise
    except pose_layouts.BROKEN as error:
        raise ValueError(f"{path}: not a pose file of a known layout ({one_line(error)})") from error


def _others(path: Path, found: pose_layouts.Found | motions.Motion, given: dict[str, Any]) -> Clip:
    """Marked poses of one person. `given` stands in for what is not stated."""
    if isinstance(found, motions.Motion):
        return _projected(path, found, given)
    if not found.frames:
        raise ValueError(f"{path}: holds no frames")
    known = given | found.stated
    lacking = [name for name, value in known.items() if not value]
    if lacking:
        raise UnstatedError(path, ", ".join(lacking))
    height, width, fps = (known[name] for name in ("height", "width", "fps"))
    _check_numbers(path, height=height, width=width, fps=fps)
    frames = found.frames
    places = [person[unseen.placed(person), :2] for everyone in frames for person in everyone]
    if sum(map(len, places)) and np.quantile(np.abs(np.concatenate(places)), _MOST) <= _SHARES:
        scale = np.array((width, height, 1), np.float32)
        frames = [[person * scale for person in everyone] for everyone in frames]
    times = np.subtract(found.numbers, found.numbers[0]) / fps
    several = sum(map(people.are_several, frames))
    counts = Counts(found.tally.clipped, found.tally.zeroed, several)
    return Clip(people.follow(frames, height, width), height, width, times, counts=counts)


def _projected(path: Path, motion: motions.Motion, given: dict[str, Any]) -> Clip:
    if len(motion.joints) == 0:
        raise ValueError(f"{path}: holds no frames")
    fps = motion.fps or given["fps"] or motion.usual_fps
    if not fps:
        raise UnstatedError(path, "fps")
    height, width = given["height"] or projection.HEIGHT, given["width"] or projection.WIDTH
    _check_numbers(path, height=height, width=width, fps=fps)
    try:
        poses = projection.project(motion.joints, height, width, motion.up)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return Clip(poses, height, width, frame_times.at_rate(fps, len(poses)))


def _ours(path: Path) -> Clip:
    values = npz_files.read(path, _KEYS)
    missing = [key for key in ("height", "width") if key not in values]
    missing += [] if {"fps", "times"} & values.keys() else ["fps or times"]
    if missing:
        raise ValueError(f"{path}: pose file without {', '.join(missing)}; it needs poses, height, width, fps or times")
    poses, numbers = values["poses"], {key: values[key] for key in _NUMBERS if key in values}
    if any(value.dtype.kind not in "iuf" for key, value in values.items() if key != "tokens") or any(
        value.size != 1 for value in numbers.values()
    ):
        raise ValueError(f"{path}: poses and times must be numbers, and height, width and fps single ones")
    if poses.ndim != 3 or poses.shape[1:] != (NUM_JOINTS, 3) or len(poses) == 0:
        raise ValueError(f"{path}: poses must be (F, {NUM_JOINTS}, 3) with F > 0, got {poses.shape}")
    stated = {key: value.item() for key, value in numbers.items()}
    _check_numbers(path, **{key: value for key, value in stated.items() if key != "lost"})
    marked = unseen.mark(poses)
    given = poses[unseen.placed(marked), 2]
    if (given < 0).any() or (given > 1).any():
        raise ValueError(f"{path}: confidences must lie in [0, 1]")
    times = values["times"] if "times" in values else frame_times.at_rate(stated["fps"], len(poses))
    lost = int(np.clip(np.nan_to_num(stated.get("lost", 0)), 0, _MOST_LOST))
    return Clip(marked, stated["height"], stated["width"], times, values.get("tokens"), lost)


def _check_numbers(path: Path, **values: Any) -> None:
    """Raises ValueError unless each is a positive number of a possible size."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _LARGEST:
            raise ValueError(f"{path}: {name} {value!r} must be positive, and at most {_LARGEST}")


def _checked(path: Path, clip: Clip) -> Clip:
    poses, tokens = np.asarray(clip.poses, np.float32), clip.tokens
    if poses.ndim != 3 or poses.shape[1:] != (NUM_JOINTS, 3) or len(poses) == 0:
        raise ValueError(f"{path}: poses must be (F, {NUM_JOINTS}, 3) with F > 0, got {poses.shape}")
    if poses[..., 2].min() < 0 or poses[..., 2].max() > 1:
        raise ValueError(f"{path}: confidences must lie in [0, 1]")
    _check_numbers(path, height=clip.height, width=clip.width)
    try:
        times = frame_times.checked(clip.times)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if len(times) != len(poses):
        raise ValueError(f"{path}: {len(times)} times beside {len(poses)} poses; there must be one a pose")
    if tokens is not None and (tokens.ndim == 0 or len(tokens) != len(poses)):
        raise ValueError(f"{path}: tokens {tokens.shape} beside {len(poses)} poses; there must be one set a pose")
    return clip._replace(poses=poses, height=int(clip.height), width=int(clip.width), times=times)
