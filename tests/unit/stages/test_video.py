import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.diffusion.schedules import NoiseSchedule
from xdancer_jax.models.autoencoder import AutoencoderKL
from xdancer_jax.models.image_encoder import ImageEncoder
from xdancer_jax.models.motion_decoder import MotionDecoder
from xdancer_jax.models.pose_guider import PoseGuider
from xdancer_jax.models.pose_tokenizer import PoseTokenizer
from xdancer_jax.models.reference_net import ReferenceNet
from xdancer_jax.models.unet import UNet
from xdancer_jax.nn.linear import conv
from xdancer_jax.stages import autoencoder, video, video_sampling
from xdancer_jax.stages.tokenizer import encode
from xdancer_jax.stages.video_networks import Networks

LAYOUT = {
    "block_out_channels": (4,), "layers_per_block": 1, "attention_levels": (True,), "num_heads": 1,
    "cross_attention_dim": 4, "norm_groups": 2,
}
PARTS = tuple(tuple(range(i, i + 12)) for i in range(0, 60, 12))
TOKENIZER = PoseTokenizer(PARTS, 1, 8, 2, 4, 4, 0, 3, 0.9, 0.0)
NETWORKS = Networks(
    UNet(**LAYOUT, temporal_heads=1), ReferenceNet(**LAYOUT), conv(4, (3, 3), zero=True),
    ImageEncoder(8, 4, 4, 1, 1, 4),
    MotionDecoder((4,), (4, 4), (4,), style_width=4), AutoencoderKL((4, 4), 1, 4, 2), TOKENIZER,
)
GUIDED = dataclasses.replace(NETWORKS, pose=PoseGuider((4,), (4, 4)), tokenizer=None)
SCHEDULE = NoiseSchedule(zero_terminal_snr=True)
OBJECTIVE = video.Objective(SCHEDULE, "v_prediction")
SAMPLER = video_sampling.Sampler(num_steps=2, guidance=2.0, window=3, overlap=1, decode_chunk=2)


def _batch(frames=3):
    rng = np.random.default_rng(0)
    window = jnp.asarray(rng.random((2, frames + 4, 60, 3)), jnp.float32)

    def pixels(*shape):
        return jnp.asarray(rng.integers(0, 256, (*shape, 8, 8, 3), dtype=np.uint8))

    return {
        "reference": pixels(2), "frames": pixels(2, frames), "poses": window[:, 2:-2], "pose_window": window,
        "pose_images": pixels(2, frames),
    }


@pytest.fixture(scope="module")
def frozen():
    encoder = autoencoder.make(NETWORKS.autoencoder)
    params, extra = jax.jit(encoder.init)(jax.random.key(0), {"frames": _batch()["reference"]})
    tokens = jax.jit(TOKENIZER.init)(jax.random.key(1), _batch()["poses"])
    tokens = nn.meta.unbox(tokens)
    return {
        "autoencoder": {"params": nn.meta.unbox(params), "extra": extra},
        "tokenizer": {"params": tokens["params"], "extra": {"codebook": tokens["codebook"]}},
    }


@pytest.fixture(scope="module")
def stage(frozen):
    return video.make(NETWORKS, OBJECTIVE, SAMPLER, phase="motion", frozen=frozen)


@pytest.fixture(scope="module")
def state(stage):
    params, extra = jax.jit(stage.init)(jax.random.key(2), _batch())
    assert all(isinstance(x, nn.LogicallyPartitioned) for x in jax.tree.leaves(params, is_leaf=video._is_box))
    return nn.meta.unbox(params), extra


def _opened(params):
    """The parameters with the zero-initialised layers filled, so that every condition acts."""
    paths, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(9), len(paths))
    return jax.tree.unflatten(tree, [x + 0.3 * jax.random.normal(k, x.shape) for x, k in zip(paths, keys, strict=True)])


def test_reference_net_starts_as_a_copy_of_the_unet(state):
    reference_net = dict(jax.tree_util.tree_leaves_with_path(state[0]["reference_net"]))
    unet = dict(jax.tree_util.tree_leaves_with_path(state[0]["unet"]))
    assert all((leaf == unet[path]).all() for path, leaf in reference_net.items())


def test_loss_reaches_every_network_but_not_the_frozen_ones(stage, state):
    params, extra = _opened(state[0]), state[1]
    grad_fn = jax.jit(jax.grad(lambda p, e: stage.loss(p, e, _batch(), jax.random.key(0), False)[0]))
    grads = grad_fn(params, extra)
    for name in ("unet", "reference_net", "photo", "image_encoder", "pose"):
        assert max(float(jnp.abs(g).max()) for g in jax.tree.leaves(grads[name])) > 0, name


def test_loss_of_the_zero_answer_is_the_power_of_v(stage, state):
    """A U-Net whose last layer is silent answers 0; v has variance alpha_bar + (1 - alpha_bar) = 1 here."""
    params = jax.tree.map(lambda x: x, state[0])
    params["unet"]["conv_out"] = jax.tree.map(jnp.zeros_like, params["unet"]["conv_out"])
    extra = jax.tree.map(lambda x: x, state[1])
    images = _batch()["frames"].reshape(-1, 8, 8, 3)
    frozen = extra["frozen"]["autoencoder"]
    latents = autoencoder.encode_latents(NETWORKS.autoencoder, frozen["params"], frozen["extra"], images, None)
    frozen["extra"]["latents"] = {"mean": latents.mean((0, 1, 2)), "std": latents.std((0, 1, 2))}
    loss, _ = jax.jit(stage.loss, static_argnums=4)(params, extra, _batch(), jax.random.key(0), False)
    np.testing.assert_allclose(loss, 1.0, atol=0.15)


def test_dropped_clips_see_neither_photo_nor_token_but_do_see_the_pose(state, stage):
    params, extra = _opened(state[0]), state[1]
    batch = _batch()
    noisy = jax.random.normal(jax.random.key(0), (2, 3, 4, 4, 4))

    @jax.jit
    def answer(reference, poses):
        _, condition = video_sampling._reference(NETWORKS, params, extra, reference)
        inputs = NETWORKS.pose_inputs(extra["frozen"], batch | {"poses": poses})
        keep = jnp.array([True, False])
        return NETWORKS.denoise(params, noisy, jnp.array([5, 5]), condition, inputs, keep=keep, use_temporal=True)

    base = answer(batch["reference"], batch["poses"])
    moved = np.abs(np.asarray(answer(255 - batch["reference"], batch["poses"]) - base)).max((1, 2, 3, 4))
    assert moved[0] > 1e-3 and moved[1] < 1e-6
    moved = np.abs(np.asarray(answer(batch["reference"], 1 - batch["poses"]) - base)).max((1, 2, 3, 4))
    assert (moved > 1e-3).all()


def test_sample_function(stage, state):
    frames = jax.jit(stage.functions["sample"])(*state, _batch(), jax.random.key(0))["frames"]
    assert frames.shape == (2, 3, 8, 8, 3) and float(frames.min()) >= 0 and float(frames.max()) <= 1


def test_generate_agrees_with_sample_on_one_window(stage, state):
    params, extra = _opened(state[0]), state[1]
    batch, key = jax.tree.map(lambda x: x[:1], _batch()), lambda: jax.random.key(3)
    generate = video_sampling.make_generate(NETWORKS, SCHEDULE, "v_prediction", SAMPLER)
    tokens = encode(TOKENIZER, extra["frozen"]["tokenizer"], batch["pose_window"])[0]
    photo, middle = np.asarray(batch["reference"][0]), tokens[2:-2]
    long = generate(params, extra, key(), reference=photo, poses=batch["poses"][0], tokens=middle)
    short = jax.jit(stage.functions["sample"])(params, extra, batch, key())["frames"][0]
    np.testing.assert_allclose(long, short, atol=1e-4)

    calls = []
    poses, tokens = (np.concatenate([x] * 3)[:8] for x in (batch["poses"][0], tokens))
    compiled = generate(params, extra, key(), reference=photo, poses=poses, tokens=tokens,
                        progress=lambda done, total: calls.append((done, total)))
    assert compiled.shape == (8, 8, 8, 3) and calls[-1] == (8, 8)  # 2 steps x windows at 0, 2, 4, 5


def test_pose_guider_reads_drawn_skeletons(frozen):
    stage = video.make(GUIDED, OBJECTIVE, SAMPLER, phase="appearance", frozen={"autoencoder": frozen["autoencoder"]})
    params, extra = jax.jit(stage.init)(jax.random.key(2), _batch(1))
    loss = jax.jit(stage.loss, static_argnums=4)
    params = _opened(nn.meta.unbox(params))
    first, _ = loss(params, extra, _batch(1), jax.random.key(0), False)
    other = _batch(1) | {"pose_images": 255 - _batch(1)["pose_images"]}
    second, _ = loss(params, extra, other, jax.random.key(0), False)
    assert float(first) != float(second)
    with pytest.raises(ValueError, match="pose tokens"):
        dataclasses.replace(NETWORKS, tokenizer=None)


def test_appearance_phase_hands_its_parameters_to_the_motion_phase(frozen, state):
    opened = _opened(state[0])
    stage = video.make(NETWORKS, OBJECTIVE, SAMPLER, phase="motion", frozen=frozen, initial_params=opened)
    params = nn.meta.unbox(jax.jit(stage.init)(jax.random.key(5), _batch())[0])
    jax.tree.map(np.testing.assert_array_equal, params, opened)
    opened["pose"].pop("canvas")
    broken = video.make(NETWORKS, OBJECTIVE, SAMPLER, phase="motion", frozen=frozen, initial_params=opened)
    with pytest.raises(ValueError, match="canvas"):
        broken.init(jax.random.key(5), _batch())


def test_another_pose_control_starts_anew_and_the_rest_goes_on(frozen, state):
    opened = _opened(state[0])
    others = {name: values for name, values in opened.items() if name != "pose"}
    stage = video.make(
        GUIDED, OBJECTIVE, SAMPLER, phase="appearance", frozen={"autoencoder": frozen["autoencoder"]},
        initial_params=others,
    )
    params = nn.meta.unbox(jax.jit(stage.init)(jax.random.key(5), _batch(1))[0])
    assert "block_0_conv" in params.pop("pose")
    jax.tree.map(np.testing.assert_array_equal, params, others)


def test_objective_and_phase_are_checked(frozen):
    with pytest.raises(ValueError, match="zero_terminal_snr"):
        video.Objective(SCHEDULE, "epsilon")
    with pytest.raises(ValueError, match="phase='both'"):
        video.make(NETWORKS, OBJECTIVE, SAMPLER, phase="both", frozen=frozen)
