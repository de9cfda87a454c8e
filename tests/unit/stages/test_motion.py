import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.models.music_gpt import MusicGPT
from xdancer_jax.models.pose_tokenizer import PoseTokenizer
from xdancer_jax.stages import motion
from xdancer_jax.stages.tokenizer import encode
from xdancer_jax.train import trees

P, T, C, S, K, V, G, M, J = 6, 4, 2, 2, 2, 5, 3, 4, 3
MODEL = MusicGPT(
    num_layers=1, width=8, num_heads=2, num_parts=S, tokens_per_part=K, codebook_size=V, segment_frames=T,
    context_frames=C, global_tokens=G, music_width=4, music_kernel=1, global_music=True, motion_context=True,
    dropout=0.1, remat="none",
)
TOKENIZER = PoseTokenizer(
    parts=((0, 2), (1,)), tokens_per_part=K, codebook_size=V, code_dim=3, encoder_width=8, decoder_width=8, depth=1,
    kernel=3, decay=0.9, reset_below=0.05,
)


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    arrays = {
        "poses": rng.uniform(-1, 1, size=(2, P + T, J, 3)).astype(np.float32),
        "music": rng.normal(size=(2, P + T, M)).astype(np.float32),
        "context_index": np.array([[1, 4], [0, 5]], np.int32),
        "song": rng.normal(size=(2, G, M)).astype(np.float32),
    }
    return jax.tree.map(jnp.asarray, arrays)


def _random(shapes, scale):
    """Random weights of these shapes: init is slow to compile."""
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda x: jnp.asarray(scale * rng.normal(size=x.shape), x.dtype), shapes)


@pytest.fixture(scope="module")
def stage(batch):
    variables = _random(jax.eval_shape(lambda: nn.unbox(TOKENIZER.init(jax.random.key(1), batch["poses"]))), 0.3)
    frozen = (variables["params"], {"codebook": variables["codebook"]})
    return motion.make(MODEL, TOKENIZER, frozen)


@pytest.fixture(scope="module")
def state(stage, batch):
    shapes = jax.eval_shape(stage.init, jax.random.key(0), batch)
    assert set(shapes[1]["frozen"]["tokenizer"]) == {"params", "extra"}
    return _random(nn.unbox(shapes[0]), 0.4), _random(shapes[1], 0.3)


@pytest.fixture(scope="module")
def loss(stage):
    return jax.jit(stage.loss, static_argnames="train")


@pytest.mark.parametrize("margin", [0, 2])
def test_loss_is_the_cross_entropy_of_the_last_frames_given_the_chosen_context(loss, state, batch, margin):
    params, extra = state
    batch = batch | {"poses": jnp.pad(batch["poses"], ((0, 0), (margin, margin), (0, 0), (0, 0)), constant_values=0.3)}
    value, (metrics, after) = loss(params, extra, batch, jax.random.key(0), train=False)
    tokens = encode(TOKENIZER, extra["frozen"]["tokenizer"], batch["poses"])
    tokens = tokens[:, margin : tokens.shape[1] - margin]
    row = np.arange(2)[:, None]
    logits = jax.jit(MODEL.apply)(
        {"params": params}, tokens[:, P:], tokens[row, batch["context_index"]], batch["context_index"], batch["music"],
        batch["song"],
    )
    logits, target = np.asarray(logits, np.float64), np.asarray(tokens[:, P:])
    chosen = np.take_along_axis(logits, target[..., None], axis=-1)[..., 0]
    np.testing.assert_allclose(value, (np.log(np.exp(logits).sum(axis=-1)) - chosen).mean(), rtol=1e-5)
    np.testing.assert_allclose(metrics["accuracy"], (logits.argmax(axis=-1) == target).mean(), rtol=1e-6)
    jax.tree.map(np.testing.assert_array_equal, extra, after)


def test_dropout_only_in_training_and_no_gradient_into_the_tokenizer(loss, stage, state, batch):
    params, extra = state
    values = {
        (seed, train): float(loss(params, extra, batch, jax.random.key(seed), train=train)[0])
        for seed in (0, 1) for train in (True, False)
    }
    assert values[0, False] == values[1, False]
    assert values[0, True] != values[1, True]
    frozen = extra["frozen"]["tokenizer"]["params"]

    def of_tokenizer(frozen_params):
        moved = {"frozen": {"tokenizer": {**extra["frozen"]["tokenizer"], "params": frozen_params}}}
        return stage.loss(params, moved, batch, jax.random.key(0), False)[0]

    gradients = jax.jit(jax.grad(of_tokenizer))(frozen)
    assert all(np.abs(g).max() == 0 for g in jax.tree.leaves(gradients))


def test_model_and_tokenizer_must_fit():
    with pytest.raises(ValueError, match=r"\(2, 2, 5\), its tokenizer \(2, 3, 5\)"):
        motion.make(MODEL, TOKENIZER.clone(tokens_per_part=3), ({}, {}))


def test_a_whole_models_arrays_take_the_place_of_random_ones(batch, state):
    frozen, random = state[1]["frozen"]["tokenizer"], np.random.default_rng(0)
    wanted = jax.tree.map(lambda x: random.standard_normal(x.shape).astype(x.dtype), state[0])
    given = trees.by_path(wanted)
    made = motion.make(MODEL, TOKENIZER, (frozen["params"], frozen["extra"]), initial=given)
    found = nn.unbox(jax.jit(made.init)(jax.random.key(0), batch)[0])
    jax.tree.map(np.testing.assert_array_equal, found, wanted)


def test_initial_arrays_take_the_place_of_random_ones(stage, batch, state):
    frozen = state[1]["frozen"]["tokenizer"]
    given = {"h/ln_1/scale": np.full((1, 8), 3.0, np.float32), "wpe": np.ones((MODEL.num_positions, 8), np.float32)}
    made = motion.make(MODEL, TOKENIZER, (frozen["params"], frozen["extra"]), initial=given)
    params = nn.unbox(made.init(jax.random.key(0), batch)[0])
    np.testing.assert_array_equal(params["h"]["ln_1"]["scale"], given["h/ln_1/scale"])
    np.testing.assert_array_equal(params["wpe"], given["wpe"])
    with pytest.raises(KeyError, match="no parameters .'h_7'"):
        motion.make(MODEL, TOKENIZER, (frozen["params"], frozen["extra"]), initial={"h_7": given["wpe"]}).init(
            jax.random.key(0), batch
        )
