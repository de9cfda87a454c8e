"""Digests of weights: equal for equal content, however it is sharded, wherever it lies.

64 bits against mistakes, not against malice. Every element is mixed with its place and added up modulo 2^32, so that
the order of the sum, hence the layout, does not count: devices add up their own shards.
"""

import zlib
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np

from xdancer_jax.train import trees
from xdancer_jax.typing import Array, PyTree

_LANES = (0x9E3779B1, 0x85EBCA77)  # odd constants of xxHash, one a half of the digest
_CHUNK = 2**20  # elements


def of(tree: PyTree) -> str:
    """Digest, 16 hexadecimal digits, of the arrays of `tree` by path; their dtypes and shapes count."""
    sums, leaves = [0, 0], trees.by_path(tree)
    mixed = jax.device_get([_leaf(leaf) for leaf in leaves.values()])  # all under way before the first is waited for
    for (path, leaf), found in zip(leaves.items(), mixed, strict=True):
        name = zlib.crc32(f"{path} {leaf.shape} {leaf.dtype}".encode())
        for lane, total in enumerate(found):
            sums[lane] += (int(total) + 1) * (2 * name + 1) + lane
    return "".join(f"{total % 2**32:08x}" for total in sums)


def _leaf(leaf: Array) -> Array | np.ndarray:
    """Two sums of an array's mixed elements. On a CPU numpy takes them, which has no program to compile first."""
    if isinstance(leaf, np.ndarray) or (leaf.is_fully_addressable and jax.default_backend() == "cpu"):
        return _by_numpy(np.asarray(leaf))
    return _on_devices(leaf)


def _by_numpy(leaf: np.ndarray) -> np.ndarray:
    flat, total = leaf.reshape(-1), np.zeros(len(_LANES), np.uint32)
    for start in range(0, flat.size, _CHUNK):  # small beside the array
        part = flat[start : start + _CHUNK]
        place = np.arange(start, start + part.size, dtype=np.uint64).astype(np.uint32)
        total += np.stack(_sums(_bits(part), place, np))
    return total


@jax.jit
def _on_devices(leaf: Array) -> Array:
    place = jnp.zeros((1,) * leaf.ndim, jnp.uint32)
    for axis, size in enumerate(leaf.shape):  # of each element in row-major order, modulo 2^32
        steps = jnp.arange(size, dtype=jnp.uint32).reshape(-1, *(1,) * (leaf.ndim - axis - 1))
        place = place * jnp.uint32(size) + steps
    return jnp.stack(_sums(_bits(leaf), place, jnp))


def _bits(leaf: Array) -> Array:
    same = leaf if leaf.dtype.kind in "iub" else leaf.view(f"uint{8 * leaf.dtype.itemsize}")
    return same.astype("uint32")


def _sums(bits: Array, place: Array, xp: ModuleType) -> list[Array]:
    found = []
    for lane in map(xp.uint32, _LANES):
        mixed = (bits ^ (place * lane)) * lane
        mixed = (mixed ^ (mixed >> xp.uint32(15))) * xp.uint32(_LANES[1])
        found.append(xp.sum(mixed ^ (mixed >> xp.uint32(13)), dtype=xp.uint32))
    return found


__all__ = ["of"]
