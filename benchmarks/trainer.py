"""The trainer's own step of the motion stage at any size, compiled for devices that may not be here."""

import time
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from configs import motion, tokenizer
from data_pipeline import loaders
from launch.runs import build, resolve
from xdancer_jax import sharding
from xdancer_jax.train.state import Plan, plan_state
from xdancer_jax.train.step import compile_for, make_train_step
from xdancer_jax.typing import PyTree


class Step(NamedTuple):
    """program: (state, batch) -> (state, metrics). batch: shapes with shardings. compile_seconds: tracing included."""

    program: jax.stages.Compiled
    plan: Plan
    batch: dict[str, jax.ShapeDtypeStruct]
    compile_seconds: float


def configured(variant: str, **changes) -> tuple[ConfigDict, dict[str, PyTree]]:
    """The config in bfloat16 over the paper's tokenizer, and random weights for that: zeros would be one token, and a
    table and heads of zeros (stages.motion). `remat` is the model's."""
    config, earlier = motion.get_config(variant), tokenizer.get_config("paper")
    earlier.earlier = {}
    config.earlier = {"tokenizer": earlier}
    config.dtype = "bfloat16"
    config.model.remat = changes.pop("remat", config.model.remat)
    config.update(changes)
    random = np.random.default_rng(0)

    def values(shape: jax.ShapeDtypeStruct) -> np.ndarray:
        return (0.1 * random.standard_normal(shape.shape)).astype(shape.dtype)

    return config, {"tokenizer_from": jax.tree.map(values, resolve.abstract(earlier))}


def compiled(config: ConfigDict, weights: dict[str, PyTree], devices: Sequence[jax.Device]) -> Step:
    """The step for `devices`."""
    stage, optimizer, rules = build.stage(config, weights), build.optimizer(config), build.rules(config)
    axis = "data" if config.sharding == "data" else "fsdp"
    mesh = sharding.make_mesh({"data": 1, "fsdp": 1, "tensor": 1} | {axis: len(devices)}, devices)
    loader, window = build.window(config, train=True)
    split = sharding.batch_sharding(mesh, rules, config.batch_size)
    batch = {
        name: jax.ShapeDtypeStruct(shape, dtype, sharding=split)
        for name, (shape, dtype) in loaders.element_spec(loader, config.batch_size, **window).items()
    }
    plan = plan_state(stage, optimizer, batch, seed=0, ema=False, mesh=mesh, rules=rules)
    began = time.perf_counter()
    step = make_train_step(stage, optimizer, plan.mask, 0.0)
    program = compile_for(
        mesh, rules, step, plan.abstract, batch, out_shardings=(plan.layout, sharding.replicated(mesh)),
        donate_argnums=0,
    )
    return Step(program, plan, batch, time.perf_counter() - began)


__all__ = ["Step", "compiled", "configured"]
