"""The suite `reconstruction`: what the tokenizer makes of poses, and the autoencoder of pictures."""

import dataclasses
from collections.abc import Callable, Sequence

import jax
import numpy as np

from data_pipeline import music, npz_files, poses, video_files
from data_pipeline.schema import FRAMES
from data_pipeline.skeleton import NUM_JOINTS, PARTS
from launch.figures.data import Data
from launch.runs import agreement, sharing
from launch.runs.loading import Run
from launch.stages import tokenizer as tokenizer_stage
from launch.suites import kept, video
from launch.suites.figure import Figure, Kept
from launch.suites.kept import TRUTH, Place
from launch.suites.motion import pose_arrays, preview
from launch.suites.networks import Given
from xdancer_jax import sharding
from xdancer_jax.evals.pose_error import paper_groups
from xdancer_jax.evals.protocols import Result
from xdancer_jax.evals.reconstruction import MeanPose, Reconstruction
from xdancer_jax.evals.second_pass import Pass
from xdancer_jax.stages.lengths import bucket

_CHUNK = 8  # frames that the autoencoder takes at a time, always so many
IDS = ("pose_l1_half_height", "codebook_use", "second_pass_half_height")


def keep(run: Run, data: Data, place: Place) -> Kept:
    """Reconstructions of whole clips by a tokenizer, or of one frame a second by an autoencoder; what is there is not
    made again. Every process must call it."""
    make = {"tokenizer": _poses, "autoencoder": _pictures}[run.config.name](run, place)
    views = data.views(["poses"] if run.config.name == "tokenizer" else [FRAMES])
    names = kept.names([view.id for view in views])

    def each(i: int) -> None:
        if not (place.has(names[i], i) and place.has(names[i] + TRUTH, i)):
            make(views[i], names[i], i)

    agreement.everywhere(lambda: [each(i) for i in sharing.mine(range(len(views)))])
    return Kept(names)


def _poses(run: Run, place: Place) -> Callable[..., None]:
    function, weights = jax.jit(run.stage.functions["reconstruct"]), sharding.here((run.params, run.extra))
    reach = 2 * run.modules["tokenizer"].reach  # of encoder and decoder

    def once(clip: np.ndarray) -> Pass:
        output = function(*weights, {"poses": clip[None]}, jax.random.key(0))
        return Pass(np.asarray(output["tokens"][0]), np.asarray(output["poses"][0]))

    def make(view, name: str, number: int) -> None:
        true = view.poses(0, view.frames)
        first = in_windows(once, true, reach)
        second = in_windows(once, first.poses, reach)
        beside = {"poses_again": second.poses, "tokens_again": second.tokens}
        for each, motion, more in ((name + TRUTH, true, {}), (name, first.poses, {"tokens": first.tokens, **beside})):
            preview(place, each, motion, source=kept.source(each, name))
            place.write(each, {**pose_arrays(motion, kept.HEIGHT, kept.WIDTH), **more}, number=number)

    return make


def in_windows(once: Callable[[np.ndarray], Pass], clip: np.ndarray, reach: int) -> Pass:
    """`once` of a clip (F, J, 3), of which a frame depends on `reach` frames to either side, by windows of one length:
    clips of many lengths share a compiled shape, and the result is that of the whole clip (to rounding)."""
    length = bucket(len(clip) + 1) // 2  # the power of two up to its length
    if length == len(clip) or length < 4 * reach + 1:
        return once(clip)
    found, stop = [], 0
    while stop < len(clip):
        first = max(0, min(stop - reach, len(clip) - length))
        made = once(clip[first : first + length])
        last = len(clip) if first + length == len(clip) else first + length - reach
        found.append(Pass(*(column[stop - first : last - first] for column in made)))
        stop = last
    return Pass(*(np.concatenate(column) for column in zip(*found, strict=True)))


def _pictures(run: Run, place: Place) -> Callable[..., None]:
    function, weights = jax.jit(run.stage.functions["reconstruct"]), sharding.here((run.params, run.extra))

    def made(frames: np.ndarray) -> np.ndarray:
        missing = [(0, _CHUNK - len(frames)), *[(0, 0)] * 3]
        output = function(*weights, {"frames": np.pad(frames, missing)}, jax.random.key(0))["frames"]
        return np.round(255 * np.asarray(output)[: len(frames)]).astype(np.uint8)

    def make(view, name: str, number: int) -> None:
        places = range(0, view.frames, music.FPS)
        true = (view.image(i) for i in places)
        chunks = ([view.image(i) for i in places[first : first + _CHUNK]] for first in range(0, len(places), _CHUNK))
        frames = [frame for chunk in chunks for frame in made(np.stack(chunk))]
        for each, pictures in ((name + TRUTH, true), (name, frames)):
            shown, source = map(video_files.even, pictures), kept.source(each, name)
            video_files.write_video(place.clip(each, ".mp4"), shown, 1, source=source)
        place.write(name + TRUTH, {"fps": np.array(1.0)}, (view.image(i) for i in places), number=number)
        place.write(name, {"fps": np.array(1.0)}, frames, number=number)

    return make


def figures(run: Run, data: Data, place: Place, names: Sequence[str], given: Given) -> list[Figure]:
    """Of kept reconstructions."""
    if run.config.name == "tokenizer":
        return [Figure(IDS, lambda: _pose_results(run, data, place, names))]
    return video.paired_figures(*video.kept_sides(place, names), given, "")


def _pose_results(run: Run, data: Data, place: Place, names: Sequence[str]) -> list[Result]:
    """One pass over the training split for its mean pose, and one over the kept clips."""
    mean = MeanPose(NUM_JOINTS)
    for view in dataclasses.replace(data, split="train", clips=0).views(["poses"]):
        mean.add(view.poses(0, view.frames))
    stream = Reconstruction(
        mean.pose(), run.config.model.codebook_size, tokenizer_stage.part_names(run.config), paper_groups(PARTS)
    )
    for name in names:
        true = npz_files.read(place.clip(name + TRUTH), ["poses", "height", "width"])
        made = npz_files.read(place.clip(name), ["poses", "tokens", "poses_again", "tokens_again", "height", "width"])
        target, first = (poses.normalise(x["poses"], x["height"].item(), x["width"].item()) for x in (true, made))
        stream.add(target, Pass(made["tokens"], first), Pass(made["tokens_again"], made["poses_again"]))
    return stream.results()


__all__ = ["IDS", "figures", "in_windows", "keep"]
