import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import parts
from xdancer_jax.models.music_gpt import SLOT_SCALE, MusicGPT
from xdancer_jax.models.pose_tokenizer import PoseTokenizer
from xdancer_jax.stage import variables
from xdancer_jax.stages import motion
from xdancer_jax.stages.tokenizer import encode

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


@pytest.fixture(scope="module")
def stage():
    return motion.make(MODEL, TOKENIZER)


@pytest.fixture(scope="module")
def state(stage, batch):
    shapes = parts.shapes(stage, batch)
    assert set(shapes["params"]) == {"tokenizer", "gpt"} and set(shapes["extra"]) == {"tokenizer"}
    params = {"tokenizer": parts.random(shapes["params"]["tokenizer"], 0.3),
              "gpt": parts.random(shapes["params"]["gpt"], 0.4)}
    return params, parts.random(shapes["extra"], 0.3)


@pytest.fixture(scope="module")
def loss(stage):
    return jax.jit(parts.loss(stage), static_argnames="train")


@pytest.mark.parametrize("margin", [0, 2])
def test_loss_is_the_cross_entropy_of_the_last_frames_given_the_chosen_context(loss, state, batch, margin):
    params, extra = state
    batch = batch | {"poses": jnp.pad(batch["poses"], ((0, 0), (margin, margin), (0, 0), (0, 0)), constant_values=0.3)}
    value, (metrics, after) = loss(params, extra, batch, jax.random.key(0), train=False)
    tokens = jax.jit(encode, static_argnums=0)(TOKENIZER, variables(params, extra, "tokenizer"), batch["poses"])
    tokens = tokens[:, margin : tokens.shape[1] - margin]
    row = np.arange(2)[:, None]
    logits = jax.jit(MODEL.apply)(
        {"params": params["gpt"]}, tokens[:, P:], tokens[row, batch["context_index"]], batch["context_index"],
        batch["music"], batch["song"],
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
    loss = parts.loss(stage)
    gradients = jax.jit(jax.grad(lambda params: loss(params, extra, batch, jax.random.key(0), False)[0]))(params)
    assert all(np.abs(g).max() == 0 for g in jax.tree.leaves(gradients["tokenizer"]))
    assert all(np.abs(g).max() > 0 for g in jax.tree.leaves(gradients["gpt"]["h"]["attn"]["c_proj"]))


def test_model_and_tokenizer_must_fit():
    with pytest.raises(ValueError, match=r"\(2, 2, 5\), its tokenizer \(2, 3, 5\)"):
        motion.make(MODEL, TOKENIZER.clone(tokens_per_part=3))


@pytest.fixture(scope="module")
def make(stage, batch):
    """From arrays by path to {"params", "extra"}, compiled once for each set of paths."""
    return functools.partial(parts.made, stage, batch)


def _assert_starts_from_codes(made):
    """Token table and heads are one random projection, (S, C, D), of the standardised codes."""
    codes = made["extra"]["tokenizer"]["codebook"]["quantizer"]["embedding"]
    codes = np.asarray(codes - codes.mean(1, keepdims=True)) / (codes.std(1, keepdims=True) + 1e-6)
    table = np.asarray(made["params"]["gpt"]["token_table"]).reshape(S, V, MODEL.width)
    for own, rows in zip(codes, table, strict=True):
        projection, _, rank, _ = np.linalg.lstsq(own, rows, rcond=None)
        assert rank == TOKENIZER.code_dim < V - 1
        np.testing.assert_allclose(own @ projection, rows, atol=1e-5)
    assert 0.6 * SLOT_SCALE < table.std() < 1.5 * SLOT_SCALE
    np.testing.assert_array_equal(made["params"]["gpt"]["heads"], table.swapaxes(1, 2))
    return table


def test_the_model_starts_from_the_codes_of_its_tokenizer_also_of_one_that_was_read(make, state):
    own = _assert_starts_from_codes(make({}))
    read = make(parts.under("params/tokenizer", state[0]["tokenizer"]) | parts.under("extra", state[1]))
    chex.assert_trees_all_equal(read["params"]["tokenizer"], state[0]["tokenizer"])
    chex.assert_trees_all_equal(read["extra"], state[1])
    assert np.abs(_assert_starts_from_codes(read) - own).max() > 0.1 * SLOT_SCALE


def test_weights_that_are_read_take_the_place_of_random_ones(make, state):
    """Of one part or a few of its arrays; a table that was read is not that of the codes."""
    wanted = {name: state[0]["gpt"][name] for name in ("h", "wpe", "token_table", "heads")}
    given = parts.under("params/gpt", wanted)
    found = make(given)["params"]["gpt"]
    chex.assert_trees_all_equal({name: found[name] for name in wanted}, wanted)
    assert found["ln_f"]["scale"].min() == 1  # as it was made
    with pytest.raises(ValueError, match="no leaves .'h_7'"):
        make({"params/gpt/h_7": given["params/gpt/wpe"]})
