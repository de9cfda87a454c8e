import dataclasses
import itertools
from types import SimpleNamespace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import parts
from xdancer_jax.boxes import unbox
from xdancer_jax.diffusion import prediction
from xdancer_jax.diffusion.schedules import NoiseSchedule
from xdancer_jax.models.autoencoder import AutoencoderKL
from xdancer_jax.models.image_encoder import ImageEncoder
from xdancer_jax.models.motion_decoder import MotionDecoder
from xdancer_jax.models.pose_guider import PoseGuider
from xdancer_jax.models.pose_tokenizer import PoseTokenizer
from xdancer_jax.models.reference_net import ReferenceNet
from xdancer_jax.models.unet import UNet
from xdancer_jax.nn.linear import conv
from xdancer_jax.rng import Chance
from xdancer_jax.stage import variables
from xdancer_jax.stages import autoencoder, video, video_networks, video_sampling
from xdancer_jax.stages.tokenizer import encode
from xdancer_jax.stages.video_networks import Condition, Networks
from xdancer_jax.train.state import init_parts

LAYOUT = {
    "block_out_channels": (4,), "layers_per_block": 1, "attention_levels": (True,), "num_heads": 1,
    "cross_attention_dim": 4, "norm_groups": 2,
}
JOINTS = tuple(tuple(range(i, i + 12)) for i in range(0, 60, 12))
TOKENIZER = PoseTokenizer(JOINTS, 1, 8, 2, 4, 4, 0, 3, 0.9, 0.0)
MARGIN = 2  # more than its reach
STILL, MOVING = (UNet(**LAYOUT, temporal_heads=1, temporal=temporal) for temporal in (False, True))
NETWORKS = Networks(
    autoencoder=AutoencoderKL((4, 4), 1, 4, 2), unet=MOVING, reference_net=ReferenceNet.of(MOVING),
    image_encoder=ImageEncoder(8, 4, 4, 1, 1, 4),
    pose=MotionDecoder((4,), (4, 4), (4,), style_width=4), tokenizer=TOKENIZER, photo=conv(4, (3, 3), zero=True),
)
GUIDED = dataclasses.replace(NETWORKS, pose=PoseGuider((4,), (4, 4)), tokenizer=None)
APPEARANCE = dataclasses.replace(NETWORKS, unet=STILL, pose=None, tokenizer=None, photo=None)  # the paper's
SCHEDULE = NoiseSchedule(zero_terminal_snr=True)
OBJECTIVE = video.Objective(SCHEDULE, "v_prediction", eval_buckets=2)
CLIPS, FRAMES = 2, 3


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    window = jnp.asarray(rng.random((CLIPS, FRAMES + 2 * MARGIN, 60, 3)), jnp.float32)

    def pixels(*shape):
        return jnp.asarray(rng.integers(0, 256, (*shape, 8, 8, 3), dtype=np.uint8))

    return {
        "reference": pixels(CLIPS), "frames": pixels(CLIPS, FRAMES), "poses": window[:, MARGIN:-MARGIN],
        "pose_window": window, "pose_images": pixels(CLIPS, FRAMES),
    }


@pytest.fixture(scope="module")
def stage():
    return video.make(NETWORKS, OBJECTIVE)


@pytest.fixture(scope="module")
def state(stage, batch):
    """Random weights, so that every condition acts, and moments of latents that are not those of N(0, 1)."""
    shapes = parts.shapes(stage, batch)
    extra = parts.random(shapes["extra"], 0.5)
    return parts.random(shapes["params"], 0.3), extra | {
        "autoencoder": {"latents": {"mean": jnp.linspace(-1, 1, 4), "std": jnp.linspace(0.5, 3, 4)}}
    }


@pytest.fixture(scope="module")
def evaluate(stage):
    """(params, extra, batch, key) -> ((loss, metrics), gradients by part) in evaluation."""
    def loss(*args):
        value, (metrics, _) = parts.loss(stage)(*args, False)
        return value, metrics

    return jax.jit(jax.value_and_grad(loss, has_aux=True))


# Clean latents and condition of two photos; the U-Net's answer to two clips.
CONDITION = jax.jit(lambda *args: video_sampling._reference(NETWORKS, *args))
RESIDUALS = jax.jit(lambda *args: NETWORKS.residuals(*args, (4, 4)))
DENOISE = jax.jit(
    lambda params, noisy, timesteps, condition, residuals, keep: NETWORKS.denoise(
        params, noisy, timesteps, condition, residuals, keep=keep
    )
)


def test_parts_of_the_phases(stage, batch):
    motion, appearance = (parts.shapes(each, batch) for each in (stage, video.make(APPEARANCE, OBJECTIVE)))
    first = {"autoencoder", "unet", "reference_net", "image_encoder"}
    assert set(appearance["params"]) == first and set(appearance["extra"]) == {"autoencoder"}
    assert set(motion["params"]) == first | {"tokenizer", "motion_modules", "photo", "pose"}
    # what the motion phase reads of an appearance run has the same names and shapes
    shared = {name: motion["params"][name] for name in first}
    chex.assert_trees_all_equal_shapes_and_dtypes(shared, appearance["params"])


def test_unet_and_motion_modules_join_to_the_public_names(stage, batch, state):
    params = state[0]
    joined = video_networks._joined(params["unet"], params["motion_modules"])
    inputs = jnp.zeros((1, FRAMES, 4, 4, 4)), jnp.zeros(1, jnp.int32), jnp.zeros((1, 1, 4))
    public = jax.eval_shape(lambda key: NETWORKS.unet.init(key, *inputs), jax.random.key(0))
    chex.assert_trees_all_equal_shapes_and_dtypes(joined, unbox(public)["params"])
    chex.assert_trees_all_equal(video_networks._split(joined), (params["unet"], params["motion_modules"]))
    assert "temporal_transformer" not in str(jax.tree.structure(params["unet"]))
    modules = jax.tree_util.tree_leaves_with_path(params["motion_modules"])
    assert modules and all("motion_modules" in jax.tree_util.keystr(path) for path, _ in modules)


def test_reference_net_starts_as_a_copy_of_a_unet_that_was_read(stage, batch, state):
    names = [name for name in stage.parts if name != "reference_net"]
    given = {path: leaf for name in names for path, leaf in parts.under(f"params/{name}", state[0][name]).items()}
    made = parts.made(stage, batch, given, reference_net={"copy": "unet"})["params"]
    chex.assert_trees_all_equal({name: made[name] for name in names}, {name: state[0][name] for name in names})
    reference_net = dict(jax.tree_util.tree_leaves_with_path(made["reference_net"]))
    unet = dict(jax.tree_util.tree_leaves_with_path(state[0]["unet"]))
    assert reference_net and all((leaf == unet[path]).all() for path, leaf in reference_net.items())


def test_loss_reaches_every_part_and_of_the_tokenizer_what_encodes(evaluate, state, batch):
    _, gradients = evaluate(*state, batch, jax.random.key(0))
    reached = {name: max(float(jnp.abs(g).max()) for g in jax.tree.leaves(tree)) for name, tree in gradients.items()}
    assert min(reached.values()) > 0, reached
    sizes = {name: float(jnp.abs(tree["kernel"]).max()) for name, tree in gradients["tokenizer"].items()
             if name.startswith(("projection", "head"))}
    assert all((size > 0) == name.startswith("projection") for name, size in sizes.items()), sizes


def test_loss_of_a_batch_is_the_mean_of_its_clips(evaluate, state, batch):
    """Written out, clip by clip: each alone, with its own photo, pose and noise, at both time steps, the middles of two
    buckets, in both places of a batch.
    Latents are the posterior's means in units of their moments; tokens those of the middle of the window."""
    params, extra = state
    images = autoencoder.to_signed(jnp.concatenate([batch["frames"].reshape(-1, 8, 8, 3), batch["reference"]]))
    means, _ = jax.jit(lambda own, x: NETWORKS.autoencoder.apply({"params": own}, x, method="encode"))(
        params["autoencoder"], images
    )
    clean = (means - jnp.linspace(-1, 1, 4)) / jnp.linspace(0.5, 3, 4)
    clean, references = clean[: CLIPS * FRAMES].reshape(CLIPS, FRAMES, 4, 4, 4), clean[CLIPS * FRAMES :]
    tokens = jax.jit(encode, static_argnums=0)(TOKENIZER, variables(*state, "tokenizer"), batch["pose_window"])
    noise = prediction.sample_noise(Chance.whole(jax.random.key(0), CLIPS).stream("noise"), clean.shape[1:])
    losses = []
    for clip, timestep in itertools.product(range(CLIPS), (250, 750)):
        def twice(x, clip=clip):
            return jnp.stack([x[clip]] * 2)

        latents, condition = CONDITION(params, extra, twice(batch["reference"]))
        np.testing.assert_allclose(latents, twice(references), atol=1e-4)
        residuals = RESIDUALS(params, extra, {
            "poses": twice(batch["poses"]), "tokens": twice(tokens)[:, MARGIN:-MARGIN],
        })
        signal = SCHEDULE.alphas_bar[timestep]
        noisy = signal**0.5 * twice(clean) + (1 - signal) ** 0.5 * twice(noise)
        output = DENOISE(params, noisy, jnp.full(2, timestep), condition, residuals, jnp.ones(2, bool))[0]
        target = signal**0.5 * noise[clip] - (1 - signal) ** 0.5 * clean[clip]
        losses.append(np.square(np.asarray(output - target, np.float64)).mean())
    value, metrics = evaluate(params, extra, batch, jax.random.key(0))[0]
    np.testing.assert_allclose(value, np.mean(losses), rtol=1e-4)
    assert set(metrics) == {"loss", "loss_t250", "loss_t750"}
    np.testing.assert_allclose(metrics["loss_t250"], np.mean(losses[::2]), rtol=1e-4)
    np.testing.assert_allclose(metrics["loss_t750"], np.mean(losses[1::2]), rtol=1e-4)
    assert abs(losses[0] - losses[1]) > 0.01


def test_loss_of_the_zero_answer_is_the_power_of_v(evaluate, state, batch):
    """A U-Net whose last layer is silent answers 0; v has variance alpha_bar + (1 - alpha_bar) = 1 here."""
    params, extra = state
    silent = jax.tree.map(jnp.zeros_like, params["unet"]["conv_out"])
    params = params | {"unet": params["unet"] | {"conv_out": silent}}
    encode_latents = jax.jit(autoencoder.encode_latents, static_argnums=(0, 3))
    images = batch["frames"].reshape(-1, 8, 8, 3)
    unit = {"latents": {"mean": jnp.zeros(4), "std": jnp.ones(4)}}
    latents = encode_latents(NETWORKS.autoencoder, {"params": params["autoencoder"], **unit}, images, None)
    own = {"latents": {"mean": latents.mean((0, 1, 2)), "std": latents.std((0, 1, 2))}}
    (loss, _), _ = evaluate(params, extra | {"autoencoder": own}, batch, jax.random.key(0))
    np.testing.assert_allclose(loss, 1.0, atol=0.15)


def _silent(**objective):
    """From (params, extra, batch, key, train) to the loss of networks that answer 0."""
    silent = dataclasses.replace(
        APPEARANCE, unet=SimpleNamespace(temporal=False, apply=lambda _, noisy, *__, **___: jnp.zeros_like(noisy)),
        image_encoder=SimpleNamespace(image_size=8, framing="pad", apply=lambda _, pixels: jnp.zeros((CLIPS, 1, 4))),
        reference_net=SimpleNamespace(apply=lambda *_: ()),
    )
    objective = video.Objective(SCHEDULE, eval_buckets=2, **objective)

    def loss(params, extra, batch, key, train):
        return video.diffusion_loss(silent, objective, params, extra, batch, Chance.whole(key, CLIPS), train)[0]

    return jax.jit(loss, static_argnums=4)


def test_training_draws_latents_where_evaluation_takes_their_means(state, batch):
    """The target is the clean latents themselves: their power, to which the posterior's variance adds."""
    loss = _silent(prediction="sample")
    images = autoencoder.to_signed(batch["frames"].reshape(-1, 8, 8, 3))
    mean, logvar = jax.jit(lambda own, x: NETWORKS.autoencoder.apply({"params": own}, x, method="encode"))(
        state[0]["autoencoder"], images
    )
    centre, std = jnp.linspace(-1, 1, 4), jnp.linspace(0.5, 3, 4)
    power, spread = np.square((mean - centre) / std).mean(), (np.exp(logvar) / std**2).mean()
    np.testing.assert_allclose(loss(*state, batch, jax.random.key(0), False), power, rtol=1e-4)
    drawn = np.mean([loss(*state, batch, jax.random.key(i), True) for i in range(30)])
    np.testing.assert_allclose(drawn, power + spread, rtol=0.1)
    assert spread > 0.3 * power


def test_the_objectives_weights_and_noise_are_used(state, batch):
    """The answer 0 leaves the target's power, which an offset adds to; the time steps are 250 and 750."""
    def loss(**objective):
        return float(_silent(prediction="v_prediction", **objective)(*state, batch, jax.random.key(0), False))

    plain = loss()
    assert loss(noise_offset=2.0) > 1.3 * plain
    weights = prediction.min_snr_weight("v_prediction", jnp.asarray(SCHEDULE.alphas_bar[[250, 750]]), 1.5)
    assert weights[0] < 0.9 < weights[1]
    assert weights[0] * plain < loss(min_snr_gamma=1.5) < 0.99 * plain


def test_clips_lose_their_photo_in_training_as_often_as_asked(state, batch):
    """Both clips lose it a quarter of the time: then no photo makes a difference. In evaluation none does."""
    objective = dataclasses.replace(OBJECTIVE, condition_dropout=0.5)
    train = jax.jit(lambda *args: parts.loss(video.make(NETWORKS, objective))(*state, *args, True)[0])
    other = batch | {"reference": 255 - batch["reference"]}
    differ = [float(train(batch, jax.random.key(i)) - train(other, jax.random.key(i))) != 0 for i in range(24)]
    assert 0.5 < np.mean(differ) < 0.95


def test_dropped_clips_see_neither_photo_nor_token_but_do_see_the_pose(state, batch):
    params, extra = state
    noisy = jax.random.normal(jax.random.key(0), (CLIPS, FRAMES, 4, 4, 4))

    def answer(reference, poses):
        _, condition = CONDITION(params, extra, reference)
        residuals = RESIDUALS(params, extra, batch | {"poses": poses})
        return DENOISE(params, noisy, jnp.array([5, 5]), condition, residuals, jnp.array([True, False]))

    base = answer(batch["reference"], batch["poses"])
    moved = np.abs(np.asarray(answer(255 - batch["reference"], batch["poses"]) - base)).max((1, 2, 3, 4))
    assert moved[0] > 1e-3 and moved[1] < 1e-6
    moved = np.abs(np.asarray(answer(batch["reference"], 1 - batch["poses"]) - base)).max((1, 2, 3, 4))
    assert (moved > 1e-3).all()


def test_without_photo_latents_the_reference_net_alone_sees_the_photos_latents(state, batch):
    params = state[0]
    plain = dataclasses.replace(NETWORKS, photo=None)
    assert "photo" not in plain.parts() and "photo" in NETWORKS.parts()
    one, other = (jnp.full((CLIPS, 4, 4, 4), value) for value in (0.3, -0.7))
    condition, token = jax.jit(plain.condition), jax.jit(plain.look)(params, batch["reference"])
    first, second = (condition(params, token, latents) for latents in (one, other))
    assert first.photo is None and second.photo is None
    np.testing.assert_array_equal(first.token, second.token)
    assert all(np.abs(a - b).max() > 1e-3 for a, b in zip(first.features, second.features, strict=True))


@pytest.mark.parametrize("pose", [None, 2.0])
def test_photo_latents_join_the_first_features_of_every_frame_that_keeps_its_condition(pose):
    echo = SimpleNamespace(block_out_channels=(4,), temporal=False, apply=lambda *_, residuals, **__: residuals[0])
    networks = dataclasses.replace(NETWORKS, unet=echo)
    noisy, photo = jnp.zeros((CLIPS, FRAMES, 4, 4, 4)), jnp.arange(CLIPS * 64.0).reshape(CLIPS, 4, 4, 4)
    condition = Condition(jnp.zeros((CLIPS, 1, 4)), (), photo)
    residuals = None if pose is None else (jnp.full_like(noisy, pose),)
    keep = jnp.array([False, True])
    found = networks.denoise({"unet": {}}, noisy, jnp.array([5, 5]), condition, residuals, keep=keep)
    wanted = np.stack([np.zeros_like(photo[0]), photo[1]])[:, None] + np.full(noisy.shape, pose or 0)
    np.testing.assert_allclose(found, wanted)


def test_guidance_leads_away_from_the_answer_without_a_photo():
    def answer(_, noisy, *inputs, reference_mask=None, **others):
        ones = jnp.ones_like(noisy)
        return ones if reference_mask is None else ones * reference_mask[:, None, None, None, None]

    echo = SimpleNamespace(temporal=False, apply=answer)
    networks = dataclasses.replace(APPEARANCE, unet=echo)
    noisy, condition = jnp.zeros((CLIPS, FRAMES, 4, 4, 4)), Condition(jnp.zeros((CLIPS, 1, 4)), (), None)
    for scale in (1.0, 2.5):
        found = video_sampling._predict(networks, scale, {"unet": {}}, noisy, jnp.int32(5), condition, None)
        np.testing.assert_allclose(found, jnp.full_like(noisy, scale))


def test_pose_guider_reads_drawn_skeletons(batch):
    stage = video.make(GUIDED, OBJECTIVE)
    assert "tokenizer" not in stage.parts
    shapes = parts.shapes(stage, batch)
    assert "block_0_conv" in shapes["params"]["pose"]
    pose = {"pose": parts.random(shapes["params"]["pose"], 0.3)}
    read = jax.jit(lambda images: GUIDED.residuals(pose, {}, {"pose_images": images}, (4, 4)))
    first, second = read(batch["pose_images"]), read(255 - batch["pose_images"])
    assert len(first) == 1 and first[0].shape == (CLIPS, FRAMES, 4, 4, 4)
    assert np.abs(first[0] - second[0]).max() > 1e-3
    with pytest.raises(ValueError, match="pose tokens"):
        dataclasses.replace(NETWORKS, tokenizer=None)


@pytest.mark.parametrize("networks", [APPEARANCE, GUIDED], ids=["paper_appearance", "guided_motion"])
def test_other_choices_of_parts_have_a_loss(networks, batch):
    stage, key = video.make(networks, OBJECTIVE), jax.random.key(0)
    batch = jax.eval_shape(lambda: batch)

    def loss(batch, key):
        init_key, loss_key = jax.random.split(key)
        state = unbox(init_parts(stage, parts.fates(stage), batch, {}, init_key))
        return parts.loss(stage)(state["params"], state["extra"], batch, loss_key, True)[0]

    assert jax.eval_shape(loss, batch, key).shape == ()


def test_evaluation_looks_at_the_middles_of_equal_ranges():
    np.testing.assert_array_equal(video.eval_timesteps(1000, 4), [125, 375, 625, 875])


def test_objective_is_checked():
    with pytest.raises(ValueError, match="zero_terminal_snr"):
        video.Objective(SCHEDULE, "epsilon")
