"""A config becomes the trainer's objects: optimizer, mesh, sharding table, batches. Models: launch/stages."""

import functools
from collections.abc import Callable, Iterator, Sequence

import jax
import numpy as np
from ml_collections import ConfigDict

from configs.sharding import TABLES
from data_pipeline import loaders
from data_pipeline.augment import Augment
from launch import stages
from xdancer_jax import sharding
from xdancer_jax.sharding import Rules
from xdancer_jax.train.guard import Guard
from xdancer_jax.train.optim import Optimizer, make_optimizer
from xdancer_jax.train.retention import Policy
from xdancer_jax.train.settings import Settings


def optimizer(config: ConfigDict) -> Optimizer:
    """Raises ValueError for weights in bfloat16, whose moments and averages would soon stand still."""
    if config.param_dtype != "float32":
        raise ValueError(
            f"config.param_dtype={config.param_dtype!r}: training keeps weights, moments and averages in float32; "
            "--config.dtype=bfloat16 computes in bfloat16"
        )
    factors = {name: part.learning_rate for name, part in config.parts.items()}
    return make_optimizer(steps=config.steps, factors=factors, **config.optimizer)


def rules(config: ConfigDict) -> Rules:
    """The sharding table that the config names."""
    if config.sharding not in TABLES:
        raise ValueError(f"config.sharding={config.sharding!r}: choose one of {sorted(TABLES)}")
    return TABLES[config.sharding]


def batches(config: ConfigDict, split: str, start_step: int = 0, *, train: bool = True) -> Iterator[loaders.Batch]:
    """The stage's batches of a split: endless, shuffled and from `start_step` for training, in file order else.

    Of each, the rows that this process's devices hold on the config's mesh. Raises ValueError for a missing data set, a
    mesh that does not fit, a batch size that it does not divide.
    """
    data = config.data
    if not data.dir:
        raise ValueError("config.data.dir is empty: give the prepared data set, --config.data.dir=DIR")
    mesh, table = sharding.make_mesh(config.mesh), rules(config)
    sharding.batch_sharding(mesh, table, config.batch_size)
    own = sharding.rows(mesh, table)
    order = {"start_step": start_step, "worker_count": data.workers} if train else {"shuffle": False}
    load = loader(config, train)
    streams = [
        load(data.dir, split, config.batch_size, config.seed, **order, process_index=block, process_count=own.count)
        for block in own.blocks
    ]
    return streams[0] if len(streams) == 1 else map(joined, zip(*streams, strict=False))


def loader(config: ConfigDict, train: bool) -> Callable[..., Iterator[loaders.Batch]]:
    """The stage's loader, with what it cuts and, for training, mixes in and augments."""
    data, window = config.data, stages.find(config.name).window(config, train)
    given = {**window.cut, "corrupt": data.corrupt}
    if window.made:
        given["made"] = window.made
    if train:
        given |= {"share": data.share, "augment": Augment(**data.augment), **window.mix}
    return functools.partial(getattr(loaders, window.loader), **given)


def joined(blocks: Sequence[loaders.Batch]) -> loaders.Batch:
    """One batch of several blocks of rows."""
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def settings(config: ConfigDict) -> Settings:
    """How the config's run is trained."""
    kept = config.checkpoint
    policy = Policy(
        kept.every, kept.minutes, kept.keep, kept.keep_every, kept.keep_best, kept.best_metric,
        kept.best_is == "largest", kept.wait_for_evaluation,
    )
    return Settings(
        config.seed, config.steps, config.ema_decay, config.log_every, config.accumulate, Guard(**config.guard), policy,
        config.telemetry.watchdog_seconds, config.telemetry.profile_start, config.telemetry.profile_steps,
    )


def clips(config: ConfigDict, step: int) -> list[str]:
    """Names of what the training batch of `step` (from 1) was cut from, in its order."""
    data, mix = config.data, stages.find(config.name).window(config, True).mix
    replay = {"replay": mix["replay"], "replay_rate": mix["replay_rate"]} if mix else {}
    return loaders.clips(
        data.dir, data.train_split, config.batch_size, config.seed, step - 1, share=data.share, **replay
    )


def batch_shapes(config: ConfigDict, batch_size: int | None = None) -> dict[str, jax.ShapeDtypeStruct]:
    """Of a training batch, or one of `batch_size`, without any data."""
    window = stages.find(config.name).window(config, True)
    spec = loaders.element_spec(window.loader, batch_size or config.batch_size, **window.cut)
    return {name: jax.ShapeDtypeStruct(shape, dtype) for name, (shape, dtype) in spec.items()}
