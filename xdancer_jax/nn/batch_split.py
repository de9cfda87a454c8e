"""Activations stay split over the batch: said where XLA would otherwise have to guess."""

import flax.linen as nn
from flax.linen.spmd import RulesFallback
from jax.sharding import PartitionSpec

from xdancer_jax import axes
from xdancer_jax.typing import Array


def keep_batch_split(x: Array) -> Array:
    """`x`, whose first dimension is the batch (or the batch with more folded in behind it), split as axes.BATCH is.

    XLA spreads the shardings of inputs and weights over a program. Where features are born of weights alone (a map
    broadcast over the batch), change their shape (resize, repeat, fold), or meet a weight that fsdp splits along the
    contracted dimension, it may follow the weight: then every device holds the whole global batch. Hence this, at such
    places and at the ends of blocks. The other dimensions are left to XLA. Without a mesh or rules (tests, sampling):
    `x` as it is.

    Raises:
      ValueError: the rules have no axes.BATCH.
    """
    names = (axes.BATCH, *(PartitionSpec.UNCONSTRAINED,) * (x.ndim - 1))
    return nn.with_logical_constraint(x, names, fallback=RulesFallback.RAISE_ERROR)


def keep_whole(x: Array) -> Array:
    """`x`, whole on every device: for a small table in which examples look up rows. Were its columns split, as weights
    are by fsdp, every device would look up for the whole batch. Without a mesh or rules: `x` as it is."""
    return nn.with_logical_constraint(x, (None,) * x.ndim, fallback=RulesFallback.RAISE_ERROR)


__all__ = ["keep_batch_split", "keep_whole"]
