"""Frames of a clip over devices (table fsdp_frames): two clips on eight devices train as on one.

fsdp splits the clips, tensor their frames; between attention over space and over time devices exchange what they hold.
"""

import jax
import numpy as np
import pytest
from flax import linen as nn

from configs.sharding import TABLES
from launch.compiling.collectives import collectives
from tests.multidevice.test_stages_mesh import trained
from tests.small_stages import smallest
from xdancer_jax import sharding
from xdancer_jax.nn.batch_split import batch_axes, frame_ways, keep_inner_split

RULES = TABLES["fsdp_frames"]


@pytest.fixture
def mesh():
    return sharding.make_mesh({"data": 1, "fsdp": 2, "tensor": 4})


@pytest.fixture
def active(mesh):
    with jax.set_mesh(mesh), nn.logical_axis_rules(RULES):
        yield


@pytest.mark.parametrize(("rows", "expected"), [(2, ("dcn_data", "data", "fsdp")), (6, ("dcn_data", "data", "fsdp"))])
def test_what_the_frames_axis_does_not_divide_is_split_over_the_batch_alone(active, rows, expected):
    assert batch_axes(rows) == expected


def test_rows_that_all_devices_divide_are_split_over_all(active):
    assert batch_axes(8) == ("dcn_data", "data", "fsdp", "tensor")


@pytest.mark.parametrize(("clips", "frames", "ways"), [(2, 4, 4), (2, 8, 4), (2, 6, 1), (8, 4, 1)])
def test_a_frame_of_each_clip_for_each_device(active, clips, frames, ways):
    assert frame_ways(clips, frames) == ways


@pytest.mark.parametrize(("shape", "spec"), [
    ((2, 4, 3), ("fsdp", "tensor")), ((2, 3, 3), ("fsdp", None)), ((8, 3, 3), (("fsdp", "tensor"), None)),
])
def test_frames_that_are_not_folded_lie_where_folding_puts_them(active, mesh, shape, spec):
    found = jax.jit(keep_inner_split)(np.zeros(shape, np.float32)).sharding
    wanted = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*spec))
    assert found.is_equivalent_to(wanted, len(shape))


def test_clips_split_by_frames_in_parts_and_with_remat_train_as_on_one_device(mesh):
    config = smallest("video_motion", 4)
    with config.unlocked():
        config.data.frames = 4
    one = sharding.make_mesh({"data": 1}, jax.devices()[:1])
    expected, _, begin = trained(config, one, "data")
    with config.unlocked():
        config.model.unet.remat = "full"  # of the ReferenceNet, too
    losses, text, _ = trained(config, mesh, "fsdp_frames", begin, accumulate=2)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    assert any(each.kind == "all-to-all" for each in collectives(text))
