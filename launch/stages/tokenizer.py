"""Stage 1, the pose tokenizer: configs/tokenizer.py, xdancer_jax/stages/tokenizer.py."""

import dataclasses
from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import numpy as np
from ml_collections import ConfigDict

from data_pipeline.skeleton import NUM_JOINTS, PARTS
from launch.figures import grids
from launch.figures.data import Data
from launch.runs import sharing
from launch.runs.loading import Run
from launch.stages import Window
from xdancer_jax import sharding
from xdancer_jax.evals.codebook import CodebookUse
from xdancer_jax.evals.pose_error import mean_pose, paper_groups, pose_error_report, pose_l1_half_height
from xdancer_jax.evals.protocols import Result
from xdancer_jax.evals.second_pass import Pass, SecondPass
from xdancer_jax.models.pose_tokenizer import PoseTokenizer
from xdancer_jax.stage import Stage
from xdancer_jax.stages import tokenizer


def earlier(config: ConfigDict) -> dict[str, str]:
    return {}


def modules(config: ConfigDict) -> dict[str, nn.Module]:
    return {"tokenizer": module(config)}


def module(config: ConfigDict, dtype: str | None = None) -> PoseTokenizer:
    """Of a tokenizer's config, whatever stage it stands in; computing in `dtype` if not in the config's."""
    parts = (tuple(range(NUM_JOINTS)),) if config.single_part else tuple(PARTS.values())
    return PoseTokenizer(
        parts=parts, **config.model, dtype=dtype or config.dtype, param_dtype=config.param_dtype
    )


def make(config: ConfigDict) -> Stage:
    return tokenizer.make(module(config), part_names(config), **config.loss)


def part_names(config: ConfigDict) -> tuple[str, ...]:
    """Names of its parts of the body, in token order."""
    return ("body",) if config.single_part else tuple(PARTS)


def window(config: ConfigDict, train: bool) -> Window:
    return Window("tokenizer", {"length": config.data.length})


def check(config: ConfigDict) -> None:
    return None


def figures(run: Run, data: Data) -> list[Result]:
    """Reconstruction error of whole clips by part, against predicting the training set's mean pose; codebook use; what
    a second pass changes."""
    train = dataclasses.replace(data, split="train", clips=0)
    baseline = mean_pose(np.concatenate([record["poses"] for record in train.records(["poses"])]))
    return figures_of(run, [record["poses"] for record in data.records(["poses"])], baseline)


def figures_of(run: Run, clips: Sequence[np.ndarray], baseline: np.ndarray) -> list[Result]:
    """Of poses (F, 60, 3) a clip, in record coordinates, and the pose (60, 3) that a model must beat."""
    reconstruct = _reconstruct(run)

    def twice(clip: np.ndarray) -> tuple[np.ndarray, ...]:
        once = reconstruct(clip)
        return (*once, *reconstruct(once.poses))

    columns = [np.concatenate(column) for column in zip(*sharing.divided(list(clips), twice), strict=True)]
    first, second = Pass(*columns[:2]), Pass(*columns[2:])
    names, truth, groups = part_names(run.config), np.concatenate(list(clips)), paper_groups(PARTS)
    return [
        pose_error_report(pose_l1_half_height(), first.poses, truth, groups, baseline, list(map(len, clips))),
        CodebookUse(run.config.model.codebook_size)(first.tokens, names),
        SecondPass()(truth, first, second, names, groups),
    ]


def samples(run: Run, data: Data) -> np.ndarray:
    """A video of skeletons: the true poses of each clip, and beside them their reconstructions."""
    reconstruct, panels = _reconstruct(run), []
    clips = [record["poses"] for record in data.records(["poses"])]
    frames = min([grids.VIDEO_FRAMES, *map(len, clips)])
    for clip in clips:
        panels.append(grids.beside(*(grids.skeletons(x[:frames]) for x in (clip, reconstruct(clip).poses))))
    return grids.tile(panels)


def _reconstruct(run: Run) -> Callable[[np.ndarray], Pass]:
    """Poses (F, 60, 3) -> tokens (F, S, K) and poses again, on this process's first device."""
    function, weights = jax.jit(run.stage.functions["reconstruct"]), sharding.here((run.params, run.extra))

    def reconstruct(poses: np.ndarray) -> Pass:
        output = function(*weights, {"poses": poses[None]}, jax.random.key(0))
        return Pass(np.asarray(output["tokens"][0]), np.asarray(output["poses"][0]))

    return reconstruct
