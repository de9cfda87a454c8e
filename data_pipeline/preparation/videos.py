"""Videos as jobs: a person's poses, the music, the filters' numbers and the cropped pictures of each span.

A video is decoded twice, a frame at a time: to look at it (looking.py), and for the pictures of the spans that are
kept. Its sound, or its song's, is heard twice, a block at a time. So memory does not grow with its length.
"""

import collections
import contextlib
import dataclasses
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from etils import epath

from data_pipeline import audio_files, filters, image_files, music, poses, scenes, smoothing, video_files, video_sound
from data_pipeline.image_quality import Scorer
from data_pipeline.music import FPS
from data_pipeline.pose_estimation import PoseEstimator
from data_pipeline.pose_formats import Clip
from data_pipeline.preparation import cache, clip_files, estimators, listing, looking, pose_clips
from data_pipeline.preparation.jobs import Job, Made

AUDIO_RATE: Final = 44_100  # Hz, of the songs in a data set


class Span(NamedTuple):
    """A part of a video, the frames start to stop - 1, as a clip of the poses in it."""

    id: str
    start: int
    stop: int
    clip: Clip


def jobs(
    found: Sequence[listing.Source], settings: dict[str, Any], limits: dict[str, Any], models: dict[str, Any]
) -> list[Job]:
    """A video each. Raises ValueError for a folder of features without a video's.

    found: of listing.find.
    settings: "size", "music", "arrays", "spans" and "smoothing" of configs/data.py, "second_confidence" and
        "second_size" of its filters; "estimator" and "quality", of estimators.which.
    models: "estimator", of the config; "quality", the file or "".
    """
    folder, made = settings["arrays"]["folder"], []
    for source in found:
        columns = dict(source.columns)
        if folder:
            columns["features"] = str(listing.beside(folder, source.id, (".npy", ".npz")))
        made.append(Job(source.id, source.path, columns, settings, limits, models))
    return made


def make(job: Job, folder: Path) -> list[Made]:
    """The clips of a video, and of those that the limits drop what was measured."""
    settings = job.settings
    with here(job.path) as path:
        seen = looking.look(path, *_models(job), settings["spans"]["scenes"])
        spans = _spans(job, seen)
        made = {span.id: _measured(job, seen, span) for span in spans}
        kept = [span for span in spans if not made[span.id].dropped(job.limits)]
        if not kept:
            return list(made.values())
        try:
            heard = _heard(job, path, seen.clip.times, folder)
        except ValueError as error:
            made |= {span.id: _without_music(made[span.id], job, str(error)) for span in kept}
            return list(made.values())
        frames, digest = enumerate(video_files.iter_video(path, _ignore)), cache.file_digest(path)
        for span in kept:
            made[span.id] = _write(job, folder, span, made[span.id], heard, frames, digest)
        return list(made.values())


def _models(job: Job) -> tuple[PoseEstimator, Scorer | None]:
    """Raises ValueError where this machine has others than the one that made the job."""
    found = estimators.estimator(**job.models["estimator"]), estimators.scorer(job.models["quality"])
    for name, model in zip(("estimator", "quality"), found, strict=True):
        if estimators.which(model) != job.settings[name]:
            raise ValueError(
                f"{name}: {estimators.which(model)} on this machine, {job.settings[name]} where the set was asked for; "
                "give all machines the same files and packages"
            )
    return found


@contextlib.contextmanager
def here(path: str) -> Iterator[str]:
    """A file on this machine: itself, or a copy of one in a store."""
    if "://" not in path:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="xdancer-") as folder:
        copy = Path(folder, Path(path).name)
        with epath.Path(path).open("rb") as there, copy.open("wb") as file:
            shutil.copyfileobj(there, file)
        yield str(copy)


def _spans(job: Job, seen: looking.Look) -> list[Span]:
    clip, wanted = smoothing.smooth(seen.clip, job.settings["smoothing"]), job.settings["spans"]
    bounds = scenes.bounds(clip.times, seen.cuts, wanted["seconds"])
    return [
        Span(
            job.id if len(bounds) == 1 else f"{job.id}-{number:04d}", start, stop,
            clip._replace(poses=clip.poses[start:stop], times=clip.times[start:stop] - clip.times[start]),
        ) for number, (start, stop) in enumerate(bounds)
    ]


def _measured(job: Job, seen: looking.Look, span: Span) -> Made:
    clip, limits = span.clip, filters.Limits(**job.limits)
    frame = (clip.height, clip.width)
    scores = {
        "seconds": float(clip.times[-1] + np.median(np.diff(clip.times))) if len(clip.times) > 1 else 0.0,
        "second_person": filters.second_person(seen.people(span.start, span.stop), limits),
        "person_box": filters.person_box(clip.poses, *frame),
        "corner_deviation": seen.corners.deviation(span.start, span.stop),
        "quality": seen.quality(span.start, span.stop),
    }
    begin = float(seen.clip.times[span.start])
    nobody = not (clip.poses[..., 2] > poses.VISIBLE).any()
    damage = pose_clips.damage(job.path, seen.clip)
    return Made(
        id=span.id, start=begin, stop=begin + float(clip.times[-1]), columns=job.columns, scores=scores,
        reasons=(*["nobody"] * nobody, *["damaged"] * bool(damage)), detail=damage,
        confidence=clip_files.confidences(clip.poses), counts=seen.counts,
    )


class _Heard(NamedTuple):
    """Of a whole video: fields of a record, row t at t / 30 s, and its sound."""

    fields: dict[str, np.ndarray]
    sound: clip_files.Sound | None


def _heard(job: Job, path: str, times: np.ndarray, folder: Path) -> _Heard:
    """Listens once, and writes the sound into the folder. Raises ValueError where there is no music."""
    name, frames = job.settings["music"], len(poses.grid(times))
    if name == clip_files.NO_MUSIC:
        return _Heard({}, None)
    song = job.columns.get("music")
    sound = audio_files.read_blocks(song, AUDIO_RATE).blocks if song else video_sound.read_blocks(path, AUDIO_RATE)
    with tempfile.TemporaryFile() as file:
        pcm = clip_files.Pcm(file)
        blocks = pcm.keep(sound)
        if "features" in job.columns:
            rows = music.arrays.read(job.columns["features"], name, job.settings["arrays"]["rate"], frames)
            fields = {"music": rows, "beats": music.beats(blocks, AUDIO_RATE, frames)}
        else:
            fields = clip_files.heard(name, blocks, AUDIO_RATE, frames)
        collections.deque(blocks, 0)  # what goes on after the video is of the song as well
        return _Heard(fields, clip_files.write_sound(folder, pcm.samples(), AUDIO_RATE))


def _without_music(made: Made, job: Job, why: str) -> Made:
    file = job.columns.get("music", job.path)
    named = why if file in why else f"{file}: {why}"
    return dataclasses.replace(
        made, reasons=("no_music",), detail=f"{named}; config.music=none keeps clips without, a table's column "
        '"music" names a song'
    )


def _write(
    job: Job, folder: Path, span: Span, made: Made, heard: _Heard, frames: Iterator[tuple[int, Any]],
    digest: str,
) -> Made:
    settings, clip = job.settings, span.clip
    height, width = settings["size"]
    box = poses.crop_box(clip.poses, clip.height, clip.width, height / width)
    inside = poses.normalise(poses.crop_poses(clip.poses, box, height, width), height, width)
    resampled = poses.resample(inside, clip.times, FPS)
    first, count = round(made.start * FPS), len(resampled)
    provenance = {
        "source": Path(job.path).name, "source_sha256": digest,
        "start": made.start, "stop": made.stop,
        "estimator": settings["estimator"], "quality": settings["quality"], "crop_box": list(box),
        "frame": [clip.height, clip.width], "smoothing": settings["smoothing"], "scores": dict(made.scores),
    }
    record = {
        "id": span.id, "fps": FPS, "song": job.columns.get("song", ""), "dancer": job.columns.get("performer", ""),
        "song_start": made.start, "poses": resampled, "provenance": provenance,
        "frames": _pictures(frames, span, count, box, settings),
    }
    if "music" in heard.fields:
        rows, beats = heard.fields["music"], heard.fields["beats"] - first
        record |= {"music": rows[first : first + count], "beats": beats[(beats >= 0) & (beats < count)]}
    return clip_files.write(folder, record, heard.sound, **_measures(made))


def _measures(made: Made) -> dict[str, Any]:
    return {name: getattr(made, name) for name in ("start", "stop", "columns", "scores", "counts")}


def _pictures(
    frames: Iterator[tuple[int, Any]], span: Span, count: int, box: tuple[int, int, int, int], settings: dict[str, Any]
) -> Iterator[bytes]:
    """JPEG files of the crop at 30 fps, each of the frame nearest in time; takes from `frames` up to the span's end."""
    wanted = span.start + nearest(span.clip.times, count)
    done = 0
    for number, frame in frames:
        if number == wanted[done]:
            picture = image_files.encode_jpeg(poses.crop_image(frame.picture, box, *settings["size"]))
            again = int(np.sum(wanted == number))
            yield from [picture] * again
            done += again
            if done == count:
                return
    raise ValueError("the file gives other frames when it is read again; copy it, it may be changing")


def nearest(times: np.ndarray, count: int) -> np.ndarray:
    """(count,) int: the frame that is nearest to each t / 30 s, of those shown at `times`; of two the earlier."""
    wanted = np.arange(count) / FPS
    high = np.clip(np.searchsorted(times, wanted), 1, max(len(times) - 1, 1))
    low = high - 1
    if len(times) == 1:
        return np.zeros(count, np.int64)
    return np.where(times[high] - wanted < wanted - times[low], high, low)


def _ignore(trouble: video_files.Trouble) -> None:
    """It was told when the video was looked at."""


__all__ = ["AUDIO_RATE", "Span", "here", "jobs", "make", "nearest"]
