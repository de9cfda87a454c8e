"""Named key streams: every use of chance has a name, so that adding one does not move the others."""

import zlib

import jax

from xdancer_jax.typing import Array


def stream(key: Array, name: str) -> Array:
    """The key of stream `name` under `key`: folds in a hash of the name that is the same on every machine."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()))


def at_step(key: Array, name: str, step: Array | int) -> Array:
    """The key of stream `name` at `step` (or batch index): a pure function of the three."""
    return jax.random.fold_in(stream(key, name), step)
