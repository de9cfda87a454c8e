"""Anyone's videos and pose files get the figures that a run's clips get: --from_videos DIR --out DIR2."""

import functools
import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data_pipeline import frame_times, npz_files, pose_files, poses, sources, video_files
from data_pipeline.clip_views import ClipView
from data_pipeline.files import existing, one_line
from data_pipeline.music import FPS
from data_pipeline.schema import FRAMES
from launch.figures.data import Data
from launch.suites import kept, motion, video
from launch.suites.figure import Figure, Kept
from launch.suites.kept import TRUTH, Place
from launch.suites.measuring import Measured, measure
from launch.suites.networks import Given
from launch.suites.running import finish
from xdancer_jax.evals import protocols
from xdancer_jax.evals.clips import Video

VIDEOS = (".mp4", ".mov", ".mkv", ".webm", ".avi")
POSES = (".npz", ".json", ".npy", ".csv", ".bvh")
_SUFFIXES = {"video": VIDEOS, "motion": POSES}


class Outside(NamedTuple):
    """folder: of the videos or pose files. truth: folder of the true ones. data: prepared set of the true ones."""

    folder: str
    truth: str | None
    data: Data | None


def run(what: Outside, out: str, suite: str, given: Given, net: str, only: tuple[str, ...]) -> None:
    """Writes OUT/SUITE/... of the suites video and motion, whichever `what` has files for, or the one asked for.

    The true ones are NAME.* in `truth`, NAME_truth.* beside NAME, or the clip of the set whose id is NAME. What does
    not read, has no true one, or another rate, size or length than it is left out, named and counted.
    Raises ValueError for no files, or none left, and at the end where figures could not be measured.
    """
    if suite == "reconstruction":
        raise ValueError("--suite=reconstruction: of a run alone; videos from elsewhere have motion and video")
    files = {name: _files(what.folder, _SUFFIXES[name]) for name in ("video", "motion") if suite in ("all", name)}
    files = {name: found for name, found in files.items() if found}
    if not files:
        raise ValueError(f"{what.folder}: no videos ({', '.join(VIDEOS)}) and no pose files ({', '.join(POSES)}) in it")
    problems = []
    for name, found in files.items():
        problems += _suite(what, Path(out), name, found, given, net, only)
    finish(problems)


def _files(folder: str, suffixes: Sequence[str]) -> dict[str, Path]:
    """By the stem of their names. Raises ValueError for a folder that is none, or two files of one name."""
    path = Path(folder)
    if not path.is_dir():
        raise ValueError(f"{folder}: no such folder")
    found: dict[str, Path] = {}
    for file in sorted(path.iterdir()):
        if file.suffix.lower() in suffixes and not file.name.startswith("."):
            if file.stem in found:
                raise ValueError(f"{file} and {found[file.stem].name}: two files of one name; keep one of them")
            found[file.stem] = file
    return found


def _suite(
    what: Outside, out: Path, suite: str, files: dict[str, Path], given: Given, net: str, only: tuple[str, ...]
) -> list[str]:
    truth = _files(what.truth, _SUFFIXES[suite]) if what.truth else {
        name.removesuffix(TRUTH): path for name, path in files.items() if name.endswith(TRUTH)
    }
    views = _views(what.data, suite)
    made = {name: path for name, path in files.items() if not name.endswith(TRUTH)}
    digest = _digest([*made.values(), *truth.values()], what.data)
    place = Place(out, suite, None, {"files": digest})
    place.clips.mkdir(parents=True, exist_ok=True)
    print(f"{place.results}: {what.folder}", flush=True)
    take = {"video": _take_video, "motion": _take_motion}[suite]
    taken, notes = {}, []
    for name, path in made.items():
        try:
            if name not in truth and name not in views:
                raise ValueError(f"{path.name}: no true clip of this name (--truth, --data, or {name}{TRUTH})")
            taken[name] = take(place, name, path, truth.get(name) or views[name])
        except (ValueError, OSError) as error:
            notes.append(f"left out: {one_line(error)}")
    for note in notes:
        print(f"  {note}", flush=True)
    if not taken:
        raise ValueError(f"{what.folder}: none of {len(made)} files is left for the suite {suite}, see the lines above")
    clips = Kept(list(taken), notes, len(notes))
    figures = _figures(place, clips.names, list(taken.values()), given, net)
    source = {"run": None, "step": None, "from_videos": what.folder, "fingerprint": digest}
    source["evals"] = protocols.version()
    return measure(place, figures, clips, Measured(source, digest, {}, given, only))


def _figures(place: Place, names: list[str], taken: list[Any], given: Given, net: str) -> list[Figure]:
    if place.suite == "motion":
        return motion.figures(place, names, given)
    real, made = ([pair[i] for pair in taken] for i in (0, 1))
    photos = [functools.partial(_first, each) for each in real]
    return video.figures(real, made, photos, given, net, None)


def _first(each: Video) -> np.ndarray:
    return next(iter(each.read()))


def _views(data: Data | None, suite: str) -> dict[str, ClipView]:
    """Clips of the prepared set by the names that files of them have."""
    if data is None:
        return {}
    views = data.views([FRAMES] if suite == "video" else ["poses", "beats", "song"])
    return dict(zip(kept.names([view.id for view in views]), views, strict=True))


def _digest(files: Sequence[Path], data: Data | None) -> str:
    found = hashlib.sha256((sources.fingerprint(data.directory) + data.split if data else "").encode())
    for path in files:
        with path.open("rb") as file:
            found.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}".encode())
    return found.hexdigest()


def _take_video(place: Place, name: str, path: Path, true: Path | ClipView) -> tuple[Video, Video]:
    """(true, made), which are read from their own files; those that are kept are there to be looked at."""
    made = of_file(name, path)
    real = of_file(name, true) if isinstance(true, Path) else _of_view(name, true)
    for what, one, other in (
        ("frames a second", made.fps, real.fps), ("frames, height and width", made.shape, real.shape)
    ):
        if one != other:
            raise ValueError(f"{path.name}: {one} {what}, the true one has {other}; resample, resize or cut one")
    if not (place.has(name) and place.has(name + TRUTH)):
        for each, video_, file in ((name + TRUTH, real, true), (name, made, path)):
            shown = place.clip(each, ".mp4")
            if isinstance(file, Path) and file.suffix.lower() == ".mp4":
                shutil.copyfile(file, shown)
            else:
                source = kept.source(each, name)
                video_files.write_video(shown, map(video_files.even, video_.read()), video_.fps, source=source)
            place.write(each, {"fps": np.array(video_.fps)})
    return real, made


def of_file(name: str, path: Path) -> Video:
    """A video file, decoded once to count its frames. Raises ValueError for one that does not decode to its end, or has
    no constant rate."""
    troubles: list[video_files.Trouble] = []
    times, size = [], (0, 0)
    for frame in video_files.iter_video(path, troubles.append):
        times.append(frame.seconds)
        size = frame.picture.shape[:2]
    if broken := [trouble for trouble in troubles if trouble.kind in ("damaged", "resized")]:
        raise ValueError(broken[0].text)
    fps = frame_times.constant_fps(np.asarray(times))
    if not fps:
        raise ValueError(f"{path}: {len(times)} frames of no constant rate; encode it at one")
    return Video(name, fps, (len(times), *size), functools.partial(_pictures, path))


def _pictures(path: Path):
    for frame in video_files.iter_video(path, lambda trouble: None):
        yield frame.picture


def _of_view(name: str, view: ClipView) -> Video:
    height, width = view.image(0).shape[:2]
    read: Callable[[], Any] = lambda: (view.image(i) for i in range(view.frames))  # noqa: E731
    return Video(name, float(FPS), (view.frames, height, width), read)


def _take_motion(place: Place, name: str, path: Path, true: Path | ClipView) -> None:
    """Keeps both as pose files."""
    if place.has(name) and place.has(name + TRUTH):
        return
    made, real = _motion_file(path), _motion_file(true) if isinstance(true, Path) else _motion_view(true)
    if made["fps"] != real["fps"]:
        rates = f"{made['fps']:g} frames a second, the true one has {real['fps']:g}"
        raise ValueError(f"{path.name}: {rates}; resample one")
    for each, arrays in ((name + TRUTH, real), (name, made)):
        place.write(each, arrays)
        clip = pose_files.load_poses(place.clip(each))
        drawn, source = poses.normalise(clip.poses, clip.height, clip.width), kept.source(each, name)
        motion.preview(place, each, drawn, fps=float(arrays["fps"]), source=source)


def _motion_file(path: Path) -> dict[str, np.ndarray]:
    clip = pose_files.load_poses(existing(path))
    fps = frame_times.constant_fps(clip.times)
    if not fps:
        raise ValueError(f"{path.name}: {len(clip.times)} frames of no constant rate; resample it")
    found = {"poses": clip.poses, "height": np.array(clip.height), "width": np.array(clip.width), "fps": np.array(fps)}
    if path.suffix.lower() == ".npz":
        beside = npz_files.read(path, ["beats", "song"])
        found |= {key: value for key, value in beside.items() if key == "song" or (value < len(clip.poses)).all()}
    return found


def _motion_view(view: ClipView) -> dict[str, np.ndarray]:
    arrays = motion.pose_arrays(view.poses(0, view.frames), kept.HEIGHT, kept.WIDTH)
    return {**arrays, "beats": view.value("beats"), "song": np.array(view.value("song"))}


__all__ = ["POSES", "VIDEOS", "Outside", "of_file", "run"]
