"""The gradient of a batch that is worked off in parts, as if it had been worked off whole."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

from xdancer_jax import axes
from xdancer_jax.rng import Chance
from xdancer_jax.typing import Array, Batch, PyTree

# (parameters, batch, chance) -> (gradient, (means over examples, sums over examples))
Gradient = Callable[[PyTree, Batch, Chance], tuple[PyTree, tuple[PyTree, PyTree]]]


def accumulated(gradient: Gradient, parts: int, ways: int) -> Gradient:
    """`gradient` of a batch in `parts`, one after the other; the memory of one of them is needed.

    Gradients and means are averaged, sums added. The batch is split over `ways` devices, and each works off its own
    examples part by part: none move. What is drawn for an example does not depend on its part (rng.Chance).
    """
    if parts == 1:
        return gradient

    def run(params: PyTree, batch: Batch, chance: Chance) -> tuple[PyTree, tuple[PyTree, PyTree]]:
        pieces, rows = jax.tree.map(cut, (dict(batch), chance.rows))
        first = jax.tree.map(lambda x: x[0], pieces)
        shapes = jax.eval_shape(gradient, params, first, chance.replace(rows=rows[0]))

        def add(total: PyTree, piece: tuple[Any, Array]) -> tuple[PyTree, None]:
            inputs, places = piece
            found = gradient(params, inputs, chance.replace(rows=places))
            return jax.tree.map(jnp.add, total, found), None

        zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
        (grads, (means, sums)), _ = jax.lax.scan(add, zeros, (pieces, rows))
        grads, means = jax.tree.map(lambda x: x / parts, (grads, means))
        return grads, (means, sums)

    def cut(x: Array) -> Array:
        """(B, ...) -> (parts, B / parts, ...); each device keeps its own examples."""
        x = x.reshape(ways, parts, -1, *x.shape[1:])
        x = jnp.moveaxis(x, 1, 0).reshape(parts, -1, *x.shape[3:])
        free = (PartitionSpec.UNCONSTRAINED,) * (x.ndim - 2)
        return nn.with_logical_constraint(x, (None, axes.BATCH, *free))

    return run


__all__ = ["Gradient", "accumulated"]
