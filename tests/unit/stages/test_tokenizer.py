import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests import parts
from xdancer_jax.losses import change_norm
from xdancer_jax.models.pose_tokenizer import PoseTokenizer
from xdancer_jax.stage import variables
from xdancer_jax.stages import tokenizer

PARTS, NAMES = ((0, 2), (1, 3)), ("upper", "lower")
PAPER = {"commitment_weight": 0.25, "confidence_weighted": False, "velocity_weight": 0.0, "acceleration_weight": 0.0}


@pytest.fixture(scope="module")
def model():
    return PoseTokenizer(
        parts=PARTS, tokens_per_part=2, codebook_size=16, code_dim=3, encoder_width=16, decoder_width=16, depth=1,
        kernel=3, decay=0.9, reset_below=0.05,
    )


@pytest.fixture(scope="module")
def stage(model):
    return tokenizer.make(model, NAMES, **PAPER)


@pytest.fixture(scope="module")
def batch():
    """Joints on circles, at random phases."""
    phase = np.random.default_rng(0).uniform(0, 2 * np.pi, size=(8, 1, 4))
    angle = phase + 0.3 * np.arange(12)[None, :, None]
    return {"poses": jnp.asarray(np.stack([np.cos(angle), np.sin(angle), 0 * angle + 0.9], axis=-1), jnp.float32)}


@pytest.fixture(scope="module")
def state(stage, batch):
    """Shapes from init, which is slow to compile; values that init could give."""
    shapes = parts.shapes(stage, batch)
    return parts.random(shapes["params"], 0.2), jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes["extra"])


@pytest.fixture(scope="module")
def loss(stage):
    return jax.jit(parts.loss(stage), static_argnames="train")


@pytest.fixture(scope="module")
def trained(stage, state, batch):
    """(params, extra) after 400 steps, and the "pose" of every step."""
    optimizer = optax.adam(5e-3)

    def body(carry, key):
        params, extra, moments = carry
        (_, (metrics, extra)), gradients = jax.value_and_grad(parts.loss(stage), has_aux=True)(
            params, extra, batch, key, True
        )
        updates, moments = optimizer.update(gradients, moments)
        return (optax.apply_updates(params, updates), extra, moments), metrics["pose"]

    keys = jax.random.split(jax.random.key(1), 400)
    params, extra = state
    (params, extra, _), history = jax.jit(lambda carry: jax.lax.scan(body, carry, keys))(
        (params, extra, optimizer.init(params))
    )
    return params, extra, history


def test_training_lowers_the_reconstruction_loss_and_moves_the_codebook(trained):
    _, extra, history = trained
    assert history[60] < 0.5 * history[0] and history[-1] < 0.5 * history[60]
    codebook = extra["tokenizer"]["codebook"]["quantizer"]
    assert np.abs(codebook["embedding"]).max() > 0.1  # zeros before


def test_passes_over_passes_do_not_run_away(stage, trained, batch):
    params, extra, _ = trained
    reconstruct = jax.jit(stage.functions["reconstruct"])
    poses = [np.asarray(batch["poses"])]
    for _ in range(5):
        poses.append(np.asarray(reconstruct(params, extra, {"poses": poses[-1]}, jax.random.key(0))["poses"]))
    error, *drift = [np.abs(each - poses[1])[..., :2].mean() for each in [poses[0], *poses[2:]]]
    assert 0.01 < error < 0.1  # joints on circles of radius 1
    assert max(drift) < error
    assert np.abs(poses[5] - poses[4])[..., :2].mean() < 0.5 * drift[0]  # a pass moves less and less


@pytest.mark.parametrize("frames", [1, 12])
def test_tokens_do_not_depend_on_what_else_is_in_the_batch(model, trained, batch, frames):
    """Also those of a single frame, which a photo is."""
    weights = variables(*trained[:2], "tokenizer")
    encode = jax.jit(lambda poses: tokenizer.encode(model, weights, poses))
    poses = batch["poses"][:7, :frames]
    together = np.asarray(encode(poses))
    assert together.shape == (7, frames, 2, 2) and len(np.unique(together)) > 4
    for i in range(7):
        np.testing.assert_array_equal(encode(poses[i : i + 1])[0], together[i])


def test_evaluation_leaves_the_codebook_alone_and_needs_no_chance(loss, state, batch):
    params, extra = state
    one, (metrics, after) = loss(params, extra, batch, jax.random.key(0), train=False)
    other, _ = loss(params, extra, batch, jax.random.key(9), train=False)
    assert one == other
    jax.tree.map(np.testing.assert_array_equal, extra, after)
    assert {"loss", "pose", "pose_l1/full", "pose_l1/lower", "usage/upper", "perplexity/upper"} <= set(metrics)
    np.testing.assert_allclose(one, metrics["pose"] + 0.25 * metrics["commitment"], rtol=1e-6)


def test_velocity_and_acceleration_count_by_their_weights(model, state, batch):
    weighted = tokenizer.make(model, NAMES, **PAPER | {"velocity_weight": 2.0, "acceleration_weight": 3.0})
    total, (metrics, _) = jax.jit(parts.loss(weighted), static_argnames="train")(
        *state, batch, jax.random.key(0), train=False
    )
    predicted = jax.jit(weighted.functions["reconstruct"])(*state, batch, jax.random.key(0))["poses"]
    for order, name in enumerate(("velocity", "acceleration"), 1):
        np.testing.assert_allclose(metrics[name], change_norm(predicted, batch["poses"], order), rtol=1e-4)
    expected = metrics["pose"] + 0.25 * metrics["commitment"] + 2 * metrics["velocity"] + 3 * metrics["acceleration"]
    np.testing.assert_allclose(total, expected, rtol=1e-6)


def test_reconstruct_agrees_with_the_metrics(stage, loss, state, batch):
    params, extra = state
    _, (metrics, _) = loss(params, extra, batch, jax.random.key(0), train=False)
    out = jax.jit(stage.functions["reconstruct"])(params, extra, batch, jax.random.key(0))
    error = np.abs(np.asarray(out["poses"] - batch["poses"]))[..., :2].mean()
    np.testing.assert_allclose(error, metrics["pose_l1/full"], rtol=1e-5)
    assert out["tokens"].shape == (8, 12, 2, 2)


def test_names_and_parts_must_match(model):
    with pytest.raises(ValueError, match="1 names for the 2 parts"):
        tokenizer.make(model, ("all",), **PAPER)


def test_tokens_of_files_are_checked_by_shape_type_and_range():
    tokens = np.random.default_rng(0).integers(16, size=(7, 5, 2))
    tokens[0, 0] = 0, 15  # both ends of the range
    tokenizer.check_tokens(tokens, 5, 2, 16)
    tokenizer.check_tokens(tokens[:0], 5, 2, 16)
    with pytest.raises(ValueError, match=r"shape \(7, 5, 2\), expected \(..., 1, 10\)"):
        tokenizer.check_tokens(tokens, 1, 10, 16)
    with pytest.raises(ValueError, match=r"shape \(2,\), expected"):
        tokenizer.check_tokens(tokens[0, 0], 5, 2, 16)
    with pytest.raises(ValueError, match="float64 values, expected integers"):
        tokenizer.check_tokens(tokens / 1, 5, 2, 16)
    for value in (16, -1):
        wrong = tokens.copy()
        wrong[3, 1, 1] = wrong[6, 4, 0] = value
        with pytest.raises(ValueError, match=rf"tokens\[3, 1, 1\] is {value}, outside \[0, 16\); 2 of 70 are"):
            tokenizer.check_tokens(wrong, 5, 2, 16)


def test_a_frame_far_enough_from_the_ends_has_the_tokens_of_the_whole_clip():
    model = PoseTokenizer(
        parts=((0, 1), (2, 3)), tokens_per_part=2, codebook_size=64, code_dim=3, encoder_width=8, decoder_width=8,
        depth=2, kernel=3, decay=0.9, reset_below=0.1,
    )
    poses = jnp.asarray(np.random.default_rng(0).random((1, 40, 4, 3)), jnp.float32)
    shapes = jax.eval_shape(lambda: nn.unbox(model.init(jax.random.key(0), poses)))
    weights, encode = parts.random(shapes, 0.5), jax.jit(tokenizer.encode, static_argnums=(0, 3))
    whole, reach = encode(model, weights, poses), model.reach
    assert reach == 3
    part = encode(model, weights, poses[:, 20 - reach : 28 + reach], 8)
    np.testing.assert_array_equal(part, whole[:, 20:28])
    cut = encode(model, weights, poses[:, 20:28])
    assert (cut[:, [0, -1]] != whole[:, [20, 27]]).any()
