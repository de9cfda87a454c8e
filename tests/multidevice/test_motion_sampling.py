"""Dances do not depend on the number of devices that make them."""

import jax
import numpy as np

from tests.unit.stages import test_motion_sampling as small
from xdancer_jax import sharding
from xdancer_jax.stages.motion_sampling import Sampling


def test_eight_devices_make_the_dances_of_one():
    state = small.make_state()
    inputs, seeds = small._inputs(8, 9), range(8)
    one = small._generate(state, inputs, seeds, sampling=Sampling())
    for count in (2, 8):
        mesh = sharding.make_mesh({"data": count}, jax.devices()[:count])
        many = small._generate(state, inputs, seeds, sampling=Sampling(), mesh=mesh)
        np.testing.assert_array_equal(many, one)
