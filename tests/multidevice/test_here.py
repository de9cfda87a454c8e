"""Weights that many devices share, whole on one."""

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from xdancer_jax import sharding


def test_copies_are_taken_where_they_lie_and_parts_are_gathered():
    mesh = sharding.make_mesh({"data": 2, "fsdp": 4})
    values = {"split": np.arange(16.0).reshape(4, 4), "whole": np.arange(3.0)}
    spread = {
        "split": jax.device_put(values["split"], NamedSharding(mesh, PartitionSpec(None, "fsdp"))),
        "whole": jax.device_put(values["whole"], sharding.replicated(mesh)),
    }
    with jax.transfer_guard("disallow"):
        found = sharding.here(spread)
    for name, array in found.items():
        assert array.devices() == {jax.devices()[0]}
        np.testing.assert_array_equal(array, values[name])
    pointer = spread["whole"].addressable_data(0).unsafe_buffer_pointer()
    assert found["whole"].unsafe_buffer_pointer() == pointer
