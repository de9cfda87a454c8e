"""Stage 1, the pose tokenizer: configs/tokenizer.py, xdancer_jax/stages/tokenizer.py."""

import dataclasses
from collections.abc import Sequence

import flax.linen as nn
import jax
import numpy as np
from ml_collections import ConfigDict

from data_pipeline.skeleton import NUM_JOINTS, PARTS
from launch.figures.data import Data
from launch.runs.loading import Run
from launch.stages import Window
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
    reconstruct = jax.jit(run.stage.functions["reconstruct"])

    def encode_decode(sequences: Sequence[np.ndarray]) -> list[Pass]:
        key = jax.random.key(0)
        found = [reconstruct(run.params, run.extra, {"poses": clip[None]}, key) for clip in sequences]
        return [Pass(np.asarray(output["tokens"][0]), np.asarray(output["poses"][0])) for output in found]

    passes = encode_decode(clips)
    again = encode_decode([each.poses for each in passes])
    first, second = (Pass(*map(np.concatenate, zip(*each, strict=True))) for each in (passes, again))
    names, truth, groups = part_names(run.config), np.concatenate(list(clips)), paper_groups(PARTS)
    return [
        pose_error_report(pose_l1_half_height(), first.poses, truth, groups, baseline),
        CodebookUse(run.config.model.codebook_size)(first.tokens, names),
        SecondPass()(truth, first, second, names, groups),
    ]
