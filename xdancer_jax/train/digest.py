"""Digests of weights: equal for equal content, however it is sharded, wherever it lies.

64 bits against mistakes, not against malice. Every element is mixed with its place and added up modulo 2^32, so that
the order of the sum, hence the layout, does not count: devices add up their own shards.
"""

import functools
import zlib
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np

from xdancer_jax.train import trees
from xdancer_jax.typing import Array, PyTree

_LANES = (0x9E3779B1, 0x85EBCA77)  # odd constants of xxHash, one a half of the digest


def of(tree: PyTree) -> str:
    """Digest, 16 hexadecimal digits, of the arrays of `tree` by path; their dtypes and shapes count."""
    sums = [0, 0]
    for path, leaf in trees.by_path(tree).items():
        name = zlib.crc32(f"{path} {leaf.shape} {leaf.dtype}".encode())
        for lane, found in enumerate(_leaf(leaf)):
            sums[lane] += (int(found) + 1) * (2 * name + 1) + lane
    return "".join(f"{total % 2**32:08x}" for total in sums)


def _leaf(leaf: Array) -> np.ndarray:
    """Two sums of an array's mixed elements. On a CPU numpy takes them, which has no program to compile first."""
    if isinstance(leaf, np.ndarray) or (leaf.is_fully_addressable and jax.default_backend() == "cpu"):
        return np.stack(_sums(np.asarray(leaf), np))
    return np.asarray(_compiled(leaf))


@functools.partial(jax.jit)
def _compiled(leaf: Array) -> Array:
    return jnp.stack(_sums(leaf, jnp))


def _sums(leaf: Array, xp: ModuleType) -> list[Array]:
    bits = leaf.astype(xp.uint32) if leaf.dtype.kind in "iub" else leaf.view(f"uint{8 * leaf.dtype.itemsize}")
    bits = bits.astype(xp.uint32)
    place = xp.zeros((1,) * leaf.ndim, xp.uint32)
    for axis, size in enumerate(leaf.shape):  # of each element, in row-major order, modulo 2^32
        steps = xp.arange(size, dtype=xp.uint32).reshape(-1, *(1,) * (leaf.ndim - axis - 1))
        place = place * xp.asarray(size % 2**32, xp.uint32) + steps
    found = []
    for lane in _LANES:
        mixed = (bits ^ (place * xp.asarray(lane, xp.uint32))) * xp.asarray(lane, xp.uint32)
        mixed = (mixed ^ (mixed >> xp.asarray(15, xp.uint32))) * xp.asarray(_LANES[1], xp.uint32)
        found.append(xp.sum(mixed ^ (mixed >> xp.asarray(13, xp.uint32)), dtype=xp.uint32))
    return found


__all__ = ["of"]
