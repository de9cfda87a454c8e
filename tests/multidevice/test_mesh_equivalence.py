import math

import jax
import pytest

from tests import toy_stage
from xdancer_jax import sharding


def mesh(sizes, count=8):
    """Of the first `count` devices; sizes of data, fsdp and tensor, with dcn_data before them where there are four."""
    return sharding.make_mesh(dict(zip(sharding.MESH_AXES[-len(sizes):], sizes, strict=True)), jax.devices()[:count])


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    return toy_stage.run(tmp_path_factory.mktemp("single"), 6)[0]


@pytest.mark.parametrize("sizes, table", [
    ((2, 2, 2, 1), "fsdp"), ((8, 1, 1), "data"), ((1, 8, 1), "fsdp"), ((2, 2, 2), "fsdp"), ((2, 2, 2), "fsdp_tensor"),
], ids=str)
def test_a_mesh_trains_as_one_device_does(sizes, table, single, tmp_path):
    state, _ = toy_stage.run(tmp_path, 6, mesh=mesh(sizes), table=table)
    toy_stage.assert_same(single, state, atol=1e-5)


def test_parameters_moments_and_averages_are_split(tmp_path):
    state, _ = toy_stage.run(tmp_path, 1, mesh=mesh((1, 4, 2)), table="fsdp_tensor")
    for tree in (state.params, state.ema, state.opt_state[1].mu, state.opt_state[1].nu):
        assert tree["student"]["encoder"]["kernel"].addressable_shards[0].data.shape == (16 // 4, 16 // 2)


@pytest.mark.parametrize("before, after", [((8, 1, 1), (2, 2, 2)), ((1, 8, 1), (1, 1, 1))])
def test_a_run_resumes_on_another_mesh(before, after, single, tmp_path):
    toy_stage.run(tmp_path, 3, mesh=mesh(before), table="fsdp_tensor")
    other = mesh(after, after[0] * after[1] * after[2])
    state, summary = toy_stage.run(tmp_path, 6, mesh=other, table="fsdp_tensor")
    assert summary.start_step == 3
    toy_stage.assert_same(single, state, atol=1e-5)


def test_a_run_moves_from_eight_devices_to_four_to_two_and_back(single, tmp_path):
    places = [(2, 2, 2), (1, 4, 1), (2, 1, 1), (2, 1, 2, 2)]
    for steps, sizes in zip((2, 3, 5, 6), places, strict=True):
        where = mesh(sizes, math.prod(sizes))
        state, summary = toy_stage.run(tmp_path, steps, mesh=where, table="fsdp_tensor")
        assert summary.step == steps and state.params["student"]["encoder"]["kernel"].sharding.mesh == where
    toy_stage.assert_same(single, state, atol=1e-5)


def test_a_batch_that_does_not_divide_is_an_error(tmp_path):
    def six(start):
        return ({"x": batch["x"][:6]} for batch in toy_stage.batches(start))

    with pytest.raises(ValueError, match="batch_size 6 is no multiple of the 8 devices of .* nearest that is: 8"):
        toy_stage.run(tmp_path, 1, mesh=mesh((8, 1, 1)), make_iterator=six)
