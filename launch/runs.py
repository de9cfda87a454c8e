"""Finished runs, read back for offline use: weights, config and stage from a work directory alone."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from launch import build
from xdancer_jax.stage import Stage
from xdancer_jax.train import checkpoint


@dataclasses.dataclass(frozen=True)
class Run:
    """A trained stage: its config (resolved), the functions over it, and its weights."""

    workdir: Path
    config: ConfigDict
    stage: Stage
    params: Mapping[str, Any]
    extra: Mapping[str, Any]
    step: int


def load(workdir: str | Path, stage: str | None = None) -> Run:
    """The run in `workdir`, at its newest checkpoint.

    Raises:
      ValueError: no such directory, no finished checkpoint, or not of `stage`.
    """
    stage = stage or checkpoint.read_stage(workdir)
    loaded = checkpoint.load(workdir, stage)
    config = build.as_config(loaded.config)
    made = build.stage(config, build.frozen_weights(loaded.extra))
    return Run(Path(workdir), config, made, loaded.params, loaded.extra, loaded.step)


def load_pair(directory: str | Path) -> tuple[Run, Run]:
    """The motion and the video run under `directory`/motion and `directory`/video.

    Raises:
      ValueError: either is missing, or they were trained over different tokenizers.
    """
    motion, video = (load(Path(directory) / name, name) for name in ("motion", "video"))
    frozen = video.extra["frozen"]
    if "tokenizer" in frozen and not build.same_weights(frozen["tokenizer"], motion.extra["frozen"]["tokenizer"]):
        raise ValueError(
            f"{video.workdir} was trained over another tokenizer than {motion.workdir}; its motion decoder cannot "
            "read these tokens: train both with the same tokenizer_from"
        )
    return motion, video
