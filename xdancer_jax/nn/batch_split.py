"""Activations stay split over the batch, and over frames: said where XLA would otherwise have to guess."""

import math

import flax.linen as nn
import jax
from flax.linen.spmd import RulesFallback
from jax.sharding import PartitionSpec

from xdancer_jax import axes
from xdancer_jax.typing import Array

Names = tuple[str, ...]  # axes of a mesh


def batch_axes(rows: int) -> Names:
    """Mesh axes over which activations lie whose first dimension, of size `rows`, is the batch or the batch with more
    folded in behind it; () without a mesh or rules (tests, sampling).

    Those of axes.BATCH, and behind them those of axes.FRAMES where all together divide the rows: then each device has
    some frames of a clip, or all frames of some of its places. Where they do not, the devices along the latter do the
    same work.

    Raises:
      ValueError: the rules have no axes.BATCH, or no axes.FRAMES.
    """
    rules, mesh = dict(nn.get_logical_axis_rules()), jax.sharding.get_abstract_mesh()
    missing = [name for name in (axes.BATCH, axes.FRAMES) if name not in rules]
    if rules and missing:
        raise ValueError(f"logical axes {missing} have no rule in the sharding table; it has {sorted(rules)}")
    if not rules or mesh.empty:
        return ()
    batch, both = _names(rules[axes.BATCH]), (*_names(rules[axes.BATCH]), *_names(rules[axes.FRAMES]))
    return both if rows % _size(both) == 0 else batch


def keep_batch_split(x: Array) -> Array:
    """`x`, whose first dimension is the batch (or the batch with more folded in behind it), split over `batch_axes`.

    XLA spreads the shardings of inputs and weights over a program. Where features are born of weights alone (a map
    broadcast over the batch), change their shape (resize, repeat, fold), or meet a weight that fsdp splits along the
    contracted dimension, it may follow the weight: then every device holds the whole global batch. Hence this, at such
    places and at the ends of blocks. The other dimensions are left to XLA. Without a mesh or rules (tests, sampling):
    `x` as it is.

    Raises:
      ValueError: see `batch_axes`.
    """
    names = batch_axes(x.shape[0])
    return _constrained(x, names) if names else x


def keep_inner_split(x: Array) -> Array:
    """`x` (B, F, ...) or (B, places, ...), not folded: its second dimension split where folding it would split it."""
    names = batch_axes(x.shape[0])
    if not names:
        return x
    inner = batch_axes(math.prod(x.shape[:2]))[len(names):]
    return _constrained(x, names, inner) if x.shape[1] % _size(inner) == 0 else _constrained(x, names)


def frame_ways(clips: int, frames: int) -> int:
    """Devices over which the frames of each of `clips` are split; 1 without a mesh, or where these do not divide."""
    ways = _size(batch_axes(clips * frames)[len(batch_axes(clips)):])
    return ways if frames % ways == 0 else 1


def keep_whole(x: Array) -> Array:
    """`x`, whole on every device: for a small table in which examples look up rows. Were its columns split, as weights
    are by fsdp, every device would look up for the whole batch. Without a mesh or rules: `x` as it is."""
    return nn.with_logical_constraint(x, (None,) * x.ndim, fallback=RulesFallback.RAISE_ERROR)


def _constrained(x: Array, *names: Names) -> Array:
    free = (PartitionSpec.UNCONSTRAINED,) * (x.ndim - len(names))
    return jax.lax.with_sharding_constraint(x, PartitionSpec(*(each or None for each in names), *free))


def _size(names: Names) -> int:
    mesh = jax.sharding.get_abstract_mesh()
    return math.prod(mesh.shape[name] for name in names)


def _names(rule: str | Names | None) -> Names:
    return (rule,) if isinstance(rule, str) else tuple(rule or ())


__all__ = ["batch_axes", "frame_ways", "keep_batch_split", "keep_inner_split", "keep_whole"]
