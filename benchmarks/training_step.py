"""The trainer's own step of the motion stage at any size, compiled for devices that may not be here."""

import time
from collections.abc import Sequence
from typing import NamedTuple

import jax
from ml_collections import ConfigDict

from configs import motion
from launch import stages
from launch.runs import build, resolve, sources
from xdancer_jax import sharding
from xdancer_jax.train.control import Panel
from xdancer_jax.train.model_flops import model_flops
from xdancer_jax.train.state import Plan, plan_state
from xdancer_jax.train.step import compile_for, make_train_step


class Step(NamedTuple):
    """program: (state, batch, control) -> (state, metrics). batch: shapes with shardings. panel: makes controls.
    compile_seconds: tracing included. model_flops: over all devices."""

    program: jax.stages.Compiled
    plan: Plan
    batch: dict[str, jax.ShapeDtypeStruct]
    panel: Panel
    compile_seconds: float
    model_flops: float


def configured(variant: str, **changes) -> ConfigDict:
    """The resolved config in bfloat16, over the paper's tokenizer with random weights. `remat` is the model's."""
    config = motion.get_config(variant)
    config.dtype, config.parts.tokenizer.source = "bfloat16", "random"
    config.model.remat = changes.pop("remat", config.model.remat)
    config.update(changes)
    return resolve.resolve(config)


def compiled(config: ConfigDict, devices: Sequence[jax.Device]) -> Step:
    """The step for `devices`."""
    axis, rules = "data" if config.sharding == "data" else "fsdp", build.rules(config)
    mesh = sharding.make_mesh({"data": 1, "fsdp": 1, "tensor": 1} | {axis: len(devices)}, devices)
    split = sharding.batch_sharding(mesh, rules, config.batch_size)
    batch = {
        name: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=split) for name, x in build.batch_shapes(config).items()
    }
    stage, optimizer = stages.find(config.name).make(config), build.optimizer(config)
    plan = plan_state(
        stage, optimizer, sources.parts(config), batch, seed=0, ema=config.ema_decay > 0, mesh=mesh, rules=rules
    )
    panel, began = Panel(mesh), time.perf_counter()
    program = compile_for(
        mesh, rules, make_train_step(stage, optimizer, ema_decay=config.ema_decay), plan.abstract, batch, panel.shapes,
        out_shardings=(plan.layout, sharding.replicated(mesh)), donate_argnums=0,
    )
    seconds = time.perf_counter() - began
    return Step(program, plan, batch, panel, seconds, model_flops(stage, plan.abstract, batch, mesh, rules))


__all__ = ["Step", "compiled", "configured"]
