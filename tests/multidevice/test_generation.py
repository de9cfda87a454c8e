"""A clip is the same whatever the number of devices, which share its windows and the weights."""


import jax
import numpy as np
import pytest

from configs.sharding import TABLES
from tests import parts
from tests.unit.stages import test_video
from xdancer_jax import sharding
from xdancer_jax.diffusion.schedules import NoiseSchedule
from xdancer_jax.sharding import Place
from xdancer_jax.stages import video
from xdancer_jax.stages.video_sampling import Sampler, make_generate
from xdancer_jax.train.state import init_parts

NETWORKS, SCHEDULE = test_video.NETWORKS, NoiseSchedule(zero_terminal_snr=True)
SAMPLER = Sampler(num_steps=2, guidance=2.0, window=3, overlap=1, decode_chunk=2)
FRAMES = 23  # 11 windows: two batches of eight, the second filled up with five that are none
MESHES = [((1, 8, 1), "fsdp"), ((2, 2, 2), "fsdp_tensor")]


@pytest.fixture(scope="module")
def boxed():
    stage = video.make(NETWORKS, video.Objective(SCHEDULE, "v_prediction"))
    batch = {
        "reference": jax.ShapeDtypeStruct((1, 8, 8, 3), np.uint8),
        "frames": jax.ShapeDtypeStruct((1, 3, 8, 8, 3), np.uint8),
        "poses": jax.ShapeDtypeStruct((1, 3, 60, 3), np.float32),
    }
    return jax.eval_shape(lambda key: init_parts(stage, parts.fates(stage), batch, {}, key), jax.random.key(0))


@pytest.fixture(scope="module")
def weights(boxed):
    """{"params", "extra"} on one device."""
    made = sharding.unbox(boxed)
    extra = jax.tree.map(jax.numpy.abs, parts.random(made["extra"], 1.0))  # standard deviations among them
    return {"params": parts.random(made["params"], 0.3), "extra": extra}


def clip():
    rng = np.random.default_rng(0)
    return {
        "reference": rng.integers(0, 256, (8, 8, 3), dtype=np.uint8),
        "poses": rng.random((FRAMES, 60, 3), dtype=np.float32),
        "tokens": rng.integers(0, 8, (FRAMES, 5, 1)).astype(np.int32),
    }


@pytest.fixture(scope="module")
def alone(weights):
    generate = make_generate(NETWORKS, SCHEDULE, "v_prediction", SAMPLER)
    return generate(weights["params"], weights["extra"], jax.random.key(3), **clip())


@pytest.mark.parametrize(("sizes", "table"), MESHES, ids=str)
def test_devices_share_windows_and_weights_and_paint_the_clip_of_one(boxed, weights, alone, sizes, table):
    mesh = sharding.make_mesh(dict(zip(("data", "fsdp", "tensor"), sizes, strict=True)))
    place = Place(mesh, TABLES[table])
    there = jax.device_put(weights, sharding.shardings(boxed, mesh, place.rules))
    generate, calls, counts = make_generate(NETWORKS, SCHEDULE, "v_prediction", SAMPLER, place), [], []
    predict = generate._predict
    generate._predict = lambda *arguments: calls.append(arguments) or predict(*arguments)
    found = generate(
        there["params"], there["extra"], jax.random.key(3), progress=lambda *done: counts.append(done), **clip()
    )
    np.testing.assert_allclose(found, alone, atol=1e-5)
    assert alone.std() > 0.02

    batches = -(-11 // place.ways)
    assert len(calls) == SAMPLER.num_steps * batches and counts[-1] == (22, 22)
    assert counts[0] == (place.ways, 22) and counts[batches - 1] == (11, 22)
    with place.active():
        compiled = predict.lower(*calls[0]).compile()
    params = compiled.input_shardings[0][0]
    assert params["unet"]["conv_in"]["kernel"] == there["params"]["unet"]["conv_in"]["kernel"].sharding
    assert compiled.output_shardings.shard_shape((place.ways, 3, 4, 4, 4))[0] == 1  # a window a device
