"""The metrics of a step in one array: the host reads one, not twenty."""

from collections.abc import Mapping

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from xdancer_jax.typing import Array


@flax.struct.dataclass
class Packed:
    """values: float32, of all metrics one after the other. shapes: of each by name, in that order."""

    values: Array
    shapes: tuple[tuple[str, tuple[int, ...]], ...] = flax.struct.field(pytree_node=False)

    @classmethod
    def of(cls, metrics: Mapping[str, Array]) -> "Packed":
        """Those of `metrics`, whose integers must be small enough for float32."""
        flat = [jnp.ravel(jnp.asarray(value, jnp.float32)) for value in metrics.values()]
        return cls(jnp.concatenate(flat), tuple((name, jnp.shape(value)) for name, value in metrics.items()))

    def read(self) -> dict[str, np.ndarray]:
        """Waits for them: by name, as they were."""
        left, found = jax.device_get(self.values), {}
        for name, shape in self.shapes:
            size = int(np.prod(shape))
            found[name], left = left[:size].reshape(shape), left[size:]
        return found


__all__ = ["Packed"]
