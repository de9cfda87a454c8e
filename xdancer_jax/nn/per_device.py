"""Attention that XLA cannot split over a mesh by itself: each device is given its own examples and heads."""

import math
from collections.abc import Callable

import flax.linen as nn
import jax
from jax.sharding import Mesh, PartitionSpec

from xdancer_jax import axes
from xdancer_jax.nn.batch_split import batch_axes
from xdancer_jax.typing import Array


def per_device(
    local: Callable[[Array, Array, Array, Array | None], Array],
    query: Array,
    key: Array,
    value: Array,
    key_lengths: Array | None,
) -> Array:
    """`local` of queries (B, L, N, D), keys and values (B, K, N, D) and key lengths (B,) or None, by the mesh in use.

    Where the mesh's axes do not divide the examples, or the heads, every device computes all of them.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty:
        return local(query, key, value, key_lengths)
    names = batch_axes(query.shape[0]), *(nn.logical_to_mesh_axes((axes.HEADS,)) or (None,))
    rows, heads = (
        name if size % _size(mesh, name) == 0 else None for name, size in zip(names, query.shape[::2], strict=True)
    )
    spec = PartitionSpec(rows, None, heads, None)
    lengths = () if key_lengths is None else (key_lengths,)
    return jax.shard_map(
        lambda *inputs: local(*inputs, *(() if lengths else (None,))), mesh=mesh,
        in_specs=(spec, spec, spec, PartitionSpec(rows))[: 3 + len(lengths)], out_specs=spec, check_vma=False,
    )(query, key, value, *lengths)


def _size(mesh: Mesh, name: str | tuple[str, ...] | None) -> int:
    names = (name,) if isinstance(name, str) else name or ()
    return math.prod(mesh.shape[each] for each in names)


__all__ = ["per_device"]
