"""Dances do not depend on the number of devices that make them, and no device is sent anything implicitly."""

import jax
import numpy as np
import pytest

from tests.unit.stages import test_motion_sampling as small
from xdancer_jax import sharding
from xdancer_jax.stages.motion_sampling import Sampling


@pytest.fixture(scope="module")
def state():
    return small.make_state()


def test_eight_devices_make_the_dances_of_one(state):
    params, tokenizer = state
    inputs, seeds = small._inputs(8, 9), range(8)
    one = small._generate(state, inputs, seeds, sampling=Sampling())
    for count in (2, 8):
        mesh = sharding.make_mesh({"data": count}, jax.devices()[:count])
        everywhere = jax.device_put(params, sharding.replicated(mesh)), tokenizer
        with jax.transfer_guard("disallow"):
            many = small._generate(everywhere, inputs, seeds, sampling=Sampling(), mesh=mesh)
        np.testing.assert_array_equal(many, one)


def test_weights_that_one_device_has_would_be_sent_to_the_others(state):
    mesh = sharding.make_mesh({"data": 2}, jax.devices()[:2])
    with jax.transfer_guard("disallow"), pytest.raises(Exception, match="Disallowed device-to-device transfer"):
        small._generate(state, small._inputs(2, 9), range(2), sampling=Sampling(), mesh=mesh)
