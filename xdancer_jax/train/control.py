"""What the host tells a step, as data of the compiled program: the learning rate, and what its processes vote for.

A vote of any process comes back to all of them in the metrics of that step, so that all act on it at the same step:
there is no other talk between processes in the loop.
"""

from collections.abc import Collection

import flax.struct
import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from xdancer_jax import sharding
from xdancer_jax.typing import Array

STOP, SAVE = "stop", "save"
VOTES = (STOP, SAVE)


@flax.struct.dataclass
class Control:
    """learning_rate: float32 (). votes: int32 (devices, len(VOTES)), a row a device, 1 for what its process wants."""

    learning_rate: Array
    votes: Array


class Panel:
    """Makes the Control of each step on `mesh`; what stays the same is sent to the devices once."""

    def __init__(self, mesh: Mesh):
        self._mesh = mesh
        self._split = NamedSharding(mesh, PartitionSpec(mesh.axis_names))
        self._rate, self._votes = (None, None), (None, None)  # last value, and where it lies

    @property
    def shapes(self) -> Control:
        """Shapes with shardings, to compile for."""
        votes = (self._mesh.size, len(VOTES))
        return Control(
            jax.ShapeDtypeStruct((), np.float32, sharding=sharding.replicated(self._mesh)),
            jax.ShapeDtypeStruct(votes, np.int32, sharding=self._split),
        )

    def set(self, learning_rate: float, votes: Collection[str] = ()) -> Control:
        """For the next step; `votes` of this process."""
        row = tuple(int(name in votes) for name in VOTES)
        if self._rate[0] != learning_rate:
            value = np.asarray(learning_rate, np.float32)
            place = sharding.replicated(self._mesh)
            self._rate = learning_rate, _put(value, place, ())
        if self._votes[0] != row:
            one = np.asarray([row], np.int32)
            shape = (self._mesh.size, len(VOTES))
            self._votes = row, _put(one, self._split, shape)
        return Control(self._rate[1], self._votes[1])


def _put(own: np.ndarray, place: NamedSharding, shape: tuple[int, ...]) -> Array:
    """An array of `shape`, of which each device of this process gets `own`; an explicit transfer."""
    pieces = [jax.device_put(own, device) for device in sorted(place.addressable_devices, key=lambda each: each.id)]
    return jax.make_array_from_single_device_arrays(shape, place, pieces)


def voted(counts: np.ndarray) -> frozenset[str]:
    """What any process voted for, from the step's metric "votes", (len(VOTES),)."""
    return frozenset(name for name, count in zip(VOTES, counts, strict=True) if count)


__all__ = ["SAVE", "STOP", "VOTES", "Control", "Panel", "voted"]
