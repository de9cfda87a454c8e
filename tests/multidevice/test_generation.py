"""A clip is the same whatever the number of devices, which share its windows and the weights."""


import jax
import numpy as np
import pytest

from configs.sharding import TABLES
from launch.compiling.collectives import collectives
from tests import parts
from tests.unit.stages import test_video
from xdancer_jax import boxes, sharding
from xdancer_jax.diffusion.schedules import NoiseSchedule
from xdancer_jax.models.autoencoder import AutoencoderKL
from xdancer_jax.models.image_encoder import ImageEncoder
from xdancer_jax.models.motion_decoder import MotionDecoder
from xdancer_jax.models.reference_net import ReferenceNet
from xdancer_jax.models.unet import UNet
from xdancer_jax.nn.linear import conv
from xdancer_jax.sharding import Place
from xdancer_jax.stages import video
from xdancer_jax.stages.video_networks import Networks
from xdancer_jax.stages.video_sampling import Sampler, make_generate
from xdancer_jax.train.state import init_parts

UNET = UNet(
    (8,), layers_per_block=1, attention_levels=(True,), num_heads=1, cross_attention_dim=8, norm_groups=2,
    temporal_heads=1,
)
NETWORKS = Networks(  # widths that eight devices share
    autoencoder=AutoencoderKL((8, 8), 1, 4, 2), unet=UNET, reference_net=ReferenceNet.of(UNET),
    image_encoder=ImageEncoder(8, 4, 8, 1, 1, 8), pose=MotionDecoder((8,), (4, 4), (8,), style_width=8),
    tokenizer=test_video.TOKENIZER, photo=conv(8, (3, 3), zero=True),
)
SCHEDULE = NoiseSchedule(zero_terminal_snr=True)
SAMPLER = Sampler(num_steps=2, guidance=2.0, window=3, overlap=1, decode_chunk=2)
FRAMES = 23  # 11 windows: two batches of eight, the second filled up with five that are none


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
    made = boxes.unbox(boxed)
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


def test_eight_devices_share_windows_and_weights_and_paint_the_clip_of_one(boxed, weights, alone):
    place = Place(sharding.make_mesh({"data": 1, "fsdp": 8, "tensor": 1}), TABLES["fsdp"])
    there = jax.device_put(weights, sharding.shardings(boxed, place.mesh, place.rules))
    generate, calls, counts = make_generate(NETWORKS, SCHEDULE, "v_prediction", SAMPLER, place), [], []
    predict = generate._predict
    generate._predict = lambda *arguments: calls.append(arguments) or predict(*arguments)
    found = generate(
        there["params"], there["extra"], jax.random.key(3), progress=lambda *done: counts.append(done), **clip()
    )
    np.testing.assert_allclose(found, alone, atol=1e-5)
    assert alone.std() > 0.02
    assert counts == [(8, 22), (11, 22), (19, 22), (22, 22)] and len(calls) == 4

    params, noisy, _, _, _, residuals = calls[0]
    assert all(leaf.sharding.shard_shape(leaf.shape)[0] == 1 for leaf in (noisy, *residuals))  # a window a device
    kernel = params["unet"]["down_blocks_0"]["resnets_0"]["conv1"]["kernel"]
    assert kernel.shape[-1] == 8 * kernel.addressable_shards[0].data.shape[-1]
    with place.active():
        text = predict.lower(*calls[0]).compile().as_text()
    found = [c.shape for c in collectives(text)]  # of vectors, such as the time's, the whole batch may be there
    assert found and not [shape for shape in found if len(shape) > 2 and shape[0] in (16, 48)]
