"""The suite `motion`: dances to whole held-out songs, kept, and beside the real ones."""

import functools
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data_pipeline import music, npz_files, poses, video_files
from launch.figures.data import Data
from launch.making import dances
from launch.runs import agreement, sharing
from launch.runs.loading import Run
from launch.suites import kept, sounds
from launch.suites.figure import Figure, Kept
from launch.suites.kept import TRUTH, Place
from launch.suites.networks import Given
from xdancer_jax.evals import fvd
from xdancer_jax.evals.beat_report import beat_alignment_report
from xdancer_jax.evals.jerk import Jerk, jerk_report
from xdancer_jax.evals.motion_set import MotionSet
from xdancer_jax.evals.motion_suite import BEATS, DISTANCES
from xdancer_jax.evals.pose_fvd import PoseFVD

_ROWS = 8  # dances made at a time, always so many: one compiled shape, and the same roundings however a suite goes on
_FIELDS = ("poses", "music", "beats", "song")


def keep(run: Run, data: Data, place: Place) -> Kept:
    """Dances by a motion run, each from its clip's first pose to its own song; what is there is not made again.
    Several processes divide them. Every process must call it."""
    heard = sounds.fields(data)
    views = data.views([*_FIELDS, *(field for field in heard if field not in _FIELDS)])
    names = kept.names([view.id for view in views])
    groups = [range(first, min(first + _ROWS, len(views))) for first in range(0, len(views), _ROWS)]

    def make(group: Sequence[int]) -> None:
        lacking = [i for i in group if not (place.has(names[i], i) and place.has(names[i] + TRUTH, i))]
        if lacking:
            chosen = [views[i] for i in group]
            for i, dance in zip(group, _danced(run, data, chosen, group), strict=True):
                if i in lacking:
                    _write(place, names[i], i, views[i], dance, heard)

    agreement.everywhere(lambda: [make(group) for group in sharing.mine(groups)])
    return Kept(names)


def _danced(run: Run, data: Data, views: Sequence[Any], group: Sequence[int]) -> list[dances.Dance]:
    songs, given = [], []
    for view in views:
        features = view.value("music")
        songs.append(dances.Song(np.zeros(0, np.float32), features[: min(view.frames, len(features))]))
        given.append(dances.tokens_of(run, view.poses(0, 1)))
    padded = [*range(len(views)), *[len(views) - 1] * (_ROWS - len(views))]
    made = dances.choreograph(
        run, [songs[i] for i in padded], [given[i] for i in padded], max(len(song.features) for song in songs),
        [data.seed + group[i] for i in padded],
    )
    return made[: len(views)]


def _write(place: Place, name: str, number: int, view: Any, dance: dances.Dance, heard: tuple[str, ...]) -> None:
    count = len(dance.poses)
    beats = view.value("beats")
    beside = {"beats": beats[beats < count], "song": np.array(view.value("song"))}
    sound = sounds.of(view, heard, 0, count)
    for each, motion, tokens in ((name + TRUTH, view.poses(0, count), None), (name, dance.poses, dance.tokens)):
        preview(place, each, motion, sound, source=kept.source(each, name))
        place.write(each, {**pose_arrays(motion, kept.HEIGHT, kept.WIDTH), "tokens": tokens, **beside}, number=number)


def pose_arrays(motion: np.ndarray, height: int, width: int, fps: float = music.FPS) -> dict[str, np.ndarray]:
    """Members of a pose file. float64 keeps what float32 in record coordinates was."""
    xy = motion[..., :2].astype(np.float64) * (height / 2) + np.array([width / 2, height / 2])
    pixels = np.concatenate([xy, motion[..., 2:]], axis=-1)
    return {"poses": pixels, "height": np.array(height), "width": np.array(width), "fps": np.array(float(fps))}


def preview(
    place: Place, name: str, motion: np.ndarray, sound=(None, None), fps: float = music.FPS, *, source: str | None
) -> None:
    """NAME.mp4, the skeleton, with its song where there is one; source: as video_files.write_video takes it."""
    drawn = (poses.draw(pose, kept.HEIGHT, kept.WIDTH) for pose in motion)
    video_files.write_video(place.clip(name, ".mp4"), drawn, fps, *sound, source=source)


class Motions(Sequence):
    """Poses (F, 60, 3) of kept clips in record coordinates, read when asked for: memory holds one at a time."""

    def __init__(self, place: Place, names: Sequence[str]):
        self._paths = [str(place.clip(name)) for name in names]

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index):
        path = self._paths[index]
        return _poses(path, os.stat(path).st_mtime_ns)


@functools.lru_cache(maxsize=2)
def _poses(path: str, changed: int) -> np.ndarray:
    found = npz_files.read(path, ["poses", "height", "width"])
    return poses.normalise(found["poses"], found["height"].item(), found["width"].item())


def figures(place: Place, names: Sequence[str], given: Given) -> list[Figure]:
    """Of kept dances beside the real ones."""
    about = [npz_files.read(place.clip(name + TRUTH), ["fps", "beats", "song"]) for name in names]
    ours = [npz_files.read(place.clip(name), ["fps"])["fps"].item() for name in names]

    @functools.cache
    def sets() -> tuple[MotionSet, MotionSet]:
        _check_rates(names, ours, [each["fps"].item() for each in about])
        true = [name + TRUTH for name in names]
        return MotionSet(Motions(place, names), ours[0], names), MotionSet(Motions(place, true), ours[0], names)

    silent = [name for name, each in zip(names, about, strict=True) if "beats" not in each]
    why = f"no beats of {silent[0]} and {len(silent) - 1} more: name clips of a prepared set, --data" if silent else ""
    found = [Figure((each.id,), functools.partial(_alignment, each, sets, about, names), lacking=why) for each in BEATS]
    for each in DISTANCES:
        ids = tuple(f"{kind}_{each.prefix}_{each.features.id}" for kind in ("div", "fid"))
        found.append(Figure(ids, lambda each=each: each.report(*sets())))
    found.append(Figure((Jerk().id,), lambda: [jerk_report(Jerk(), *sets())]))
    found.append(Figure(("fvd_poses",), lambda: [_pose_fvd(*sets(), given)], ("i3d",), given.lacking("i3d")))
    return found


def _check_rates(names: Sequence[str], ours: Sequence[float], theirs: Sequence[float]) -> None:
    for name, made, true in zip(names, ours, theirs, strict=True):
        if {made, true} != {ours[0]}:
            raise ValueError(f"{name}: {made:g} frames a second, the true one has {true:g}, and the first clip "
                             f"{ours[0]:g}: resample them")


def _alignment(protocol, sets, about: Sequence[Mapping[str, Any]], names: Sequence[str]):
    motions, truth = sets()
    beats = []
    for i, each in enumerate(about):
        row = np.zeros(len(truth.poses[i]), np.float32)
        row[each["beats"]] = 1
        beats.append(row)
    songs = [str(each["song"]) if "song" in each else name for name, each in zip(names, about, strict=True)]
    return [beat_alignment_report(protocol, motions, beats, songs=songs, truth=truth)]


def _pose_fvd(motions: MotionSet, truth: MotionSet, given: Given):
    form = fvd.cdfvd()
    network = given.i3d(form.epsilon, form.pool_frames)
    protocol = PoseFVD(network.weights, batch=4)

    def features(pictures: np.ndarray) -> np.ndarray:
        pixels = np.stack([form.prepare(clip) for clip in pictures])
        missing = [(0, protocol.batch - len(pixels)), *[(0, 0)] * 4]  # the same shape every time
        return network.run(np.pad(pixels, missing))[: len(pictures)]

    return protocol.report(motions, truth, poses.draw, features)


__all__ = ["Motions", "figures", "keep", "pose_arrays", "preview"]
