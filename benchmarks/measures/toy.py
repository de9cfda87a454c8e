"""A stage without a model: weights as large, and steps as long, as a measurement wants them."""

import itertools
from collections.abc import Iterator

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from configs.base import get_base
from configs.sharding import TABLES
from xdancer_jax import axes, sharding
from xdancer_jax.sharding import Rules
from xdancer_jax.stage import Stage
from xdancer_jax.train.optim import Optimizer, make_optimizer
from xdancer_jax.train.parts import Part, Parts
from xdancer_jax.train.state import Plan, plan_state
from xdancer_jax.typing import Batch

RULES: Rules = TABLES["fsdp"]
_SIDE = 256  # of the matrices that a step multiplies


def stage(arrays: int, shape: tuple[int, int]) -> Stage:
    """Part "net", `arrays` random matrices of `shape`, whose squares are the loss; a step multiplies other matrices
    batch["turns"][0] times."""

    def init(rng, batch, before):
        names = (axes.EMBED, axes.MLP)
        return {
            f"w{i}": nn.LogicallyPartitioned(jax.random.normal(jax.random.fold_in(rng, i), shape), names)
            for i in range(arrays)
        }, {}

    def loss(params, extra, batch, chance, train):
        begin = jnp.linspace(-1, 1, _SIDE * _SIDE).reshape(_SIDE, _SIDE)
        work = jax.lax.fori_loop(0, batch["turns"][0], lambda i, x: jnp.tanh(x @ begin), begin)
        squares = sum(jnp.mean(leaf**2) for leaf in jax.tree.leaves(params["net"]))
        return squares, ({"work": jnp.mean(work), "mean": jnp.mean(batch["x"])}, {})

    return Stage("toy", {"net": init}, loss)


def batches(turns: int) -> Iterator[Batch]:
    """The same host batch again and again, made once."""
    batch = {"x": np.ones((8, 64, 60, 3), np.float32), "turns": np.full(8, turns, np.int32)}
    return itertools.repeat(batch)


def optimizer(steps: int) -> Optimizer:
    """That of configs/base.py."""
    return make_optimizer(steps=steps, **get_base().optimizer)


def parts() -> Parts:
    return {"net": Part()}


def one_device() -> jax.sharding.Mesh:
    return sharding.make_mesh({"data": 1}, jax.devices()[:1])


def plan(of: Stage, by: Optimizer, fates: Parts, mesh: jax.sharding.Mesh) -> Plan:
    """Of the state over `mesh`, under table fsdp."""
    shapes = {name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for name, leaf in next(batches(0)).items()}
    return plan_state(of, by, fates, shapes, seed=0, ema=False, mesh=mesh, rules=RULES)


__all__ = ["RULES", "batches", "one_device", "optimizer", "parts", "plan", "stage"]
