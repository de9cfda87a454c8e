"""Runs: trained into a work directory, and read back from it alone for offline use."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from launch.runs import build, resolve, skeleton
from xdancer_jax import sharding
from xdancer_jax.stage import Stage
from xdancer_jax.train import checkpoint, hooks, loop


@dataclasses.dataclass(frozen=True)
class Run:
    """A trained stage: its config (resolved), the functions over it, and its weights."""

    workdir: Path
    config: ConfigDict
    stage: Stage
    params: Mapping[str, Any]
    extra: Mapping[str, Any]
    step: int


def train(config: ConfigDict, workdir: str | Path) -> loop.Summary:
    """Trains the stage of `config` (locked, not yet resolved) in `workdir`, or goes on from its newest checkpoint.

    Raises:
      ValueError, FloatingPointError: see resolve.resolve and loop.train; a checkpoint of another skeleton.
    """
    config, weights = resolve.resolve(config)
    stage = build.stage(config, weights)
    mesh, rules = sharding.make_mesh(config.mesh), build.rules(config)
    if checkpoint.check_resume(workdir, stage.name, config.to_dict()):
        skeleton.check(workdir, resolve.as_config(checkpoint.read_config(workdir, stage.name)))
    evaluation = hooks.evaluation(
        stage, lambda: build.batches(config, config.data.eval_split, train=False), every=config.eval_every,
        batches=config.eval_batches, mesh=mesh, rules=rules,
    )
    _, summary = loop.train(
        stage, build.optimizer(config), lambda step: build.batches(config, config.data.train_split, step),
        workdir=workdir, config=config.to_dict(), seed=config.seed, steps=config.steps, mesh=mesh, rules=rules,
        ema_decay=config.ema_decay, log_every=config.log_every, checkpoint_every=config.checkpoint.every,
        checkpoint_keep=config.checkpoint.keep, hooks=[evaluation],
    )
    return summary


def load(workdir: str | Path, stage: str | None = None) -> Run:
    """The run in `workdir`, at its newest checkpoint.

    Raises:
      ValueError: no such directory, no finished checkpoint, not of `stage`, or what resolve.read refuses.
    """
    config, loaded = resolve.read(workdir, stage or checkpoint.read_stage(workdir))
    made = build.stage(config, build.frozen_weights(loaded.extra))
    return Run(Path(workdir), config, made, loaded.params, loaded.extra, loaded.step)


def load_pair(directory: str | Path) -> tuple[Run, Run]:
    """The motion and the video run under `directory`/motion and `directory`/video.

    Raises:
      ValueError: either is missing, or they were trained over different tokenizers.
    """
    motion, video = (load(Path(directory) / name, name) for name in ("motion", "video"))
    frozen = video.extra["frozen"]
    if "tokenizer" in frozen and not resolve.same_weights(frozen["tokenizer"], motion.extra["frozen"]["tokenizer"]):
        raise ValueError(
            f"{video.workdir} was trained over another tokenizer than {motion.workdir}; its motion decoder cannot "
            "read these tokens: train both with the same tokenizer_from"
        )
    return motion, video
