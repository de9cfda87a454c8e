"""A run's own training step, compiled for devices that may not be here."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
from jax.sharding import AbstractMesh, Mesh
from ml_collections import ConfigDict

from launch import stages
from launch.runs import build, sources
from xdancer_jax import sharding
from xdancer_jax.train.control import Panel
from xdancer_jax.train.guard import Guard
from xdancer_jax.train.model_flops import model_flops
from xdancer_jax.train.state import Plan, plan_state
from xdancer_jax.train.step import lower_for, make_train_step


class Lowering(NamedTuple):
    """What a step takes, before anything is compiled.

    plan: of its state. batch: shapes with shardings. panel: makes controls. model_flops: of a step, over all devices.
    """

    config: ConfigDict
    mesh: Mesh
    plan: Plan
    batch: dict[str, jax.ShapeDtypeStruct]
    panel: Panel
    model_flops: float


class Step(NamedTuple):
    """program: (state, batch, control) -> (state, metrics). compile_seconds: tracing included."""

    lowered: Lowering
    program: jax.stages.Compiled
    compile_seconds: float


def lowering(config: ConfigDict, devices: Sequence[jax.Device]) -> Lowering:
    """Of a resolved config, on its mesh of `devices`; no weights are read.

    Raises ValueError for a mesh that does not fit, a batch that it does not divide; see also plan_state.
    """
    mesh, rules = sharding.make_mesh(config.mesh, devices), build.rules(config)
    split = sharding.batch_sharding(mesh, rules, config.batch_size)
    batch = {
        name: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=split) for name, x in build.batch_shapes(config).items()
    }
    plan = planned(config, mesh, batch)
    flops = model_flops(stages.find(config.name).make(config), plan.abstract, batch, mesh, rules)
    return Lowering(config, mesh, plan, batch, Panel(mesh), flops)


def planned(config: ConfigDict, mesh: Mesh | AbstractMesh, batch: Mapping[str, jax.ShapeDtypeStruct]) -> Plan:
    """The state of a resolved config's run on a mesh."""
    return plan_state(
        stages.find(config.name).make(config), build.optimizer(config), sources.parts(config), batch, seed=0,
        ema=config.ema_decay > 0, mesh=mesh, rules=build.rules(config),
    )


def traced(lowered: Lowering, **jit_options: Any) -> jax.stages.Lowered:
    """The trainer's step for its devices, not yet compiled; jit_options: of jax.jit."""
    config, rules = lowered.config, build.rules(lowered.config)
    step = make_train_step(
        stages.find(config.name).make(config), build.optimizer(config), ema_decay=config.ema_decay,
        accumulate=config.accumulate, ways=sharding.Place(lowered.mesh, rules).ways, guard=Guard(**config.guard),
    )
    return lower_for(
        lowered.mesh, rules, step, lowered.plan.abstract, lowered.batch, lowered.panel.shapes,
        out_shardings=(lowered.plan.layout, sharding.replicated(lowered.mesh)), donate_argnums=0, **jit_options,
    )


def compiled(lowered: Lowering, **jit_options: Any) -> Step:
    """The same, compiled."""
    began = time.perf_counter()
    program = traced(lowered, **jit_options).compile()
    return Step(lowered, program, time.perf_counter() - began)


__all__ = ["Lowering", "Step", "compiled", "lowering", "planned", "traced"]
