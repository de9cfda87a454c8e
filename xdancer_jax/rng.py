"""Named key streams: every use of chance has a name, so that adding one does not move the others. What is drawn for an
example depends on its place in the step's batch and not on how that batch is cut."""

import zlib
from collections.abc import Callable

import flax.struct
import jax
import jax.numpy as jnp

from xdancer_jax.typing import Array


def stream(key: Array, name: str) -> Array:
    """The key of stream `name` under `key`: folds in a hash of the name that is the same on every machine."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()))


def at_step(key: Array, name: str, step: Array | int) -> Array:
    """The key of stream `name` at `step` (or batch index): a pure function of the three."""
    return jax.random.fold_in(stream(key, name), step)


@flax.struct.dataclass
class Chance:
    """What a step draws for the examples that it is given: those of the whole batch, or of one of its parts.

    Attributes:
      key: typed key of the step, the same for all parts.
      rows: (B,) int32, the places of these examples in the whole batch.
      total: examples in the whole batch.
    """

    key: Array
    rows: Array
    total: int = flax.struct.field(pytree_node=False)

    @classmethod
    def whole(cls, key: Array, total: int) -> "Chance":
        """Of a whole batch of `total` examples."""
        return cls(key, jnp.arange(total, dtype=jnp.int32), total)

    def stream(self, name: str) -> "Chance":
        """The draws of stream `name`."""
        return self.replace(key=stream(self.key, name))

    def repeat(self, times: int) -> "Chance":
        """For examples of `times` items each, which are examples by themselves: (B * times,) rows, items innermost."""
        rows = (self.rows[:, None] * times + jnp.arange(times, dtype=jnp.int32)).reshape(-1)
        return self.replace(rows=rows, total=self.total * times)

    def normal(self, shape: tuple[int, ...] = ()) -> Array:
        """(B, *shape) standard normal numbers."""
        return self._each(lambda key: jax.random.normal(key, shape))

    def bernoulli(self, probability: float, shape: tuple[int, ...] = ()) -> Array:
        """(B, *shape) of True with `probability`."""
        return self._each(lambda key: jax.random.bernoulli(key, probability, shape))

    def integers(self, limit: int) -> Array:
        """(B,) int32 in [0, limit)."""
        return self._each(lambda key: jax.random.randint(key, (), 0, limit))

    def _each(self, draw: Callable[[Array], Array]) -> Array:
        return jax.vmap(lambda row: draw(jax.random.fold_in(self.key, row)))(self.rows)
