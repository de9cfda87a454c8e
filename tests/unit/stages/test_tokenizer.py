import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from xdancer_jax.models.pose_tokenizer import PoseTokenizer
from xdancer_jax.stages import tokenizer

PARTS, NAMES = ((0, 2), (1, 3)), ("upper", "lower")


@pytest.fixture(scope="module")
def model():
    return PoseTokenizer(
        parts=PARTS, tokens_per_part=2, codebook_size=16, code_dim=3, encoder_width=16, decoder_width=16, depth=1,
        kernel=3, decay=0.9, reset_below=0.05,
    )


@pytest.fixture(scope="module")
def stage(model):
    return tokenizer.make(model, NAMES, commitment_weight=0.25, confidence_weighted=False)


@pytest.fixture(scope="module")
def batch():
    """Joints on circles, at random phases."""
    phase = np.random.default_rng(0).uniform(0, 2 * np.pi, size=(8, 1, 4))
    angle = phase + 0.3 * np.arange(12)[None, :, None]
    return {"poses": jnp.asarray(np.stack([np.cos(angle), np.sin(angle), 0 * angle + 0.9], axis=-1), jnp.float32)}


@pytest.fixture(scope="module")
def state(stage, batch):
    """Shapes from init, which is slow to compile; values that init could give."""
    params, extra = jax.eval_shape(stage.init, jax.random.key(0), batch)
    assert all(isinstance(x, nn.LogicallyPartitioned) for x in jax.tree.leaves(params, is_leaf=_is_box))
    rng = np.random.default_rng(1)
    params = jax.tree.map(lambda x: jnp.asarray(0.2 * rng.normal(size=x.shape), x.dtype), nn.unbox(params))
    return params, jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), extra)


def _is_box(x):
    return isinstance(x, nn.LogicallyPartitioned)


@pytest.fixture(scope="module")
def loss(stage):
    return jax.jit(stage.loss, static_argnames="train")


def test_training_lowers_the_reconstruction_loss_and_moves_the_codebook(stage, state, batch):
    params, extra = state
    optimizer = optax.adam(5e-3)

    def body(carry, key):
        params, extra, moments = carry
        (_, (metrics, extra)), gradients = jax.value_and_grad(stage.loss, has_aux=True)(
            params, extra, batch, key, True
        )
        updates, moments = optimizer.update(gradients, moments)
        return (optax.apply_updates(params, updates), extra, moments), metrics["pose"]

    keys = jax.random.split(jax.random.key(1), 60)
    (_, after, _), history = jax.jit(lambda carry: jax.lax.scan(body, carry, keys))(
        (params, extra, optimizer.init(params))
    )
    assert history[-1] < 0.5 * history[0]
    assert np.abs(after["codebook"]["quantizer"]["embedding"]).max() > 0.1  # zeros before


def test_evaluation_leaves_the_codebook_alone_and_needs_no_chance(loss, state, batch):
    params, extra = state
    one, (metrics, after) = loss(params, extra, batch, jax.random.key(0), train=False)
    other, _ = loss(params, extra, batch, jax.random.key(9), train=False)
    assert one == other
    jax.tree.map(np.testing.assert_array_equal, extra, after)
    assert {"loss", "pose", "pose_l1/full", "pose_l1/lower", "usage/upper", "perplexity/upper"} <= set(metrics)
    np.testing.assert_allclose(one, metrics["pose"] + 0.25 * metrics["commitment"], rtol=1e-6)


def test_reconstruct_agrees_with_the_metrics(stage, loss, state, batch):
    params, extra = state
    _, (metrics, _) = loss(params, extra, batch, jax.random.key(0), train=False)
    out = jax.jit(stage.functions["reconstruct"])(params, extra, batch, jax.random.key(0))
    error = np.abs(np.asarray(out["poses"] - batch["poses"]))[..., :2].mean()
    np.testing.assert_allclose(error, metrics["pose_l1/full"], rtol=1e-5)
    assert out["tokens"].shape == (8, 12, 2, 2)


def test_names_and_parts_must_match(model):
    with pytest.raises(ValueError, match="1 names for the 2 parts"):
        tokenizer.make(model, ("all",), commitment_weight=0.25, confidence_weighted=False)


def test_a_frame_far_enough_from_the_ends_has_the_tokens_of_the_whole_clip():
    model = PoseTokenizer(
        parts=((0, 1), (2, 3)), tokens_per_part=2, codebook_size=64, code_dim=3, encoder_width=8, decoder_width=8,
        depth=2, kernel=3, decay=0.9, reset_below=0.1,
    )
    poses = jnp.asarray(np.random.default_rng(0).random((1, 40, 4, 3)), jnp.float32)
    variables = nn.unbox(jax.jit(model.init)(jax.random.key(0), poses))
    values = np.random.default_rng(1)
    params = jax.tree.map(lambda x: jnp.asarray(values.normal(size=x.shape) * 0.5, x.dtype), variables["params"])
    frozen = {"params": params, "extra": {"codebook": variables["codebook"]}}
    whole, reach = tokenizer.encode(model, frozen, poses), model.reach
    assert reach == 3
    part = tokenizer.encode(model, frozen, poses[:, 20 - reach : 28 + reach], 8)
    np.testing.assert_array_equal(part, whole[:, 20:28])
    cut = tokenizer.encode(model, frozen, poses[:, 20:28])
    assert (cut[:, [0, -1]] != whole[:, [20, 27]]).any()
