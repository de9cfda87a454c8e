import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.models.quantizer import Quantizer, usage_of
from xdancer_jax.rng import Chance

PARTS, SIZE, DIM, DECAY = 2, 4, 3, 0.9


@pytest.fixture(scope="module")
def quantizer():
    return Quantizer(PARTS, SIZE, DIM, decay=DECAY, reset_below=0.1)


def _latents(seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(2, 3, PARTS, 2, DIM)), jnp.float32)


def _state(quantizer, counts=3.0):
    embedding = jax.random.normal(jax.random.key(1), (PARTS, SIZE, DIM))
    counts = jnp.full((PARTS, SIZE), counts)
    return {"codebook": {"embedding": embedding, "counts": counts, "sums": embedding * counts[..., None]}}


def _train(quantizer, state, latents, seed=0):
    @jax.jit
    def run(state, latents, key):
        found = quantizer.apply(state, latents, Chance.whole(key, len(latents)))
        return found, quantizer.apply(state, found[3], method="update", mutable=["codebook"])[1]

    (codes, tokens, *_), updated = run(state, latents, jax.random.key(seed))
    return codes, tokens, updated["codebook"]


def test_each_latent_gets_the_nearest_code_of_its_own_part(quantizer):
    state, latents = _state(quantizer), _latents()
    codes, tokens, *_ = jax.jit(quantizer.apply)(state, latents)
    table = np.asarray(state["codebook"]["embedding"])
    for index in np.ndindex(tokens.shape):
        part = table[index[2]]
        nearest = np.argmin(np.sum((part - np.asarray(latents)[index]) ** 2, axis=-1))
        assert tokens[index] == nearest
        np.testing.assert_allclose(codes[index], part[nearest], atol=1e-6)


def test_update_is_the_moving_average_of_the_batch(quantizer):
    state, latents = _state(quantizer), _latents()
    _, tokens, new = _train(quantizer, state, latents)
    old = jax.tree.map(np.asarray, state["codebook"])
    for part in range(PARTS):
        for code in range(SIZE):
            mine = np.asarray(latents)[:, :, part][np.asarray(tokens)[:, :, part] == code]
            count = DECAY * old["counts"][part, code] + (1 - DECAY) * len(mine)
            total = DECAY * old["sums"][part, code] + (1 - DECAY) * mine.sum(axis=0)
            np.testing.assert_allclose(new["counts"][part, code], count, rtol=1e-6)
            np.testing.assert_allclose(new["embedding"][part, code], total / count, rtol=1e-5, atol=1e-6)


def test_first_batch_leaves_no_random_code(quantizer):
    latents = _latents()
    state = {"codebook": jax.tree.map(jnp.zeros_like, _state(quantizer)["codebook"])}
    state["codebook"]["embedding"] = jax.random.normal(jax.random.key(3), (PARTS, SIZE, DIM)) + 2.0
    _, tokens, new = _train(quantizer, state, latents)
    for part in range(PARTS):
        rows, chosen = np.asarray(latents)[:, :, part].reshape(-1, DIM), np.asarray(tokens)[:, :, part].ravel()
        possible = np.stack([*rows, *(rows[chosen == code].mean(axis=0) for code in set(chosen))])
        distance = np.abs(possible[None] - np.asarray(new["embedding"])[part][:, None]).max(axis=-1).min(axis=1)
        assert distance.max() < 1e-5


def test_only_dead_codes_are_reset_and_the_rng_decides(quantizer):
    state, latents = _state(quantizer), _latents()
    far = state["codebook"]["embedding"].at[0, 2].set(100.0)
    counts = state["codebook"]["counts"].at[0, 2].set(0.01)
    state = {"codebook": {"embedding": far, "counts": counts, "sums": far * counts[..., None]}}
    one, same, other = (_train(quantizer, state, latents, seed)[2]["embedding"] for seed in (0, 0, 5))
    np.testing.assert_array_equal(one, same)
    changed = np.abs(np.asarray(one - other)).max(axis=-1) > 1e-6
    np.testing.assert_array_equal(np.argwhere(changed), [[0, 2]])
    assert np.abs(one[0, 2]).max() < 10


def test_gradient_goes_straight_through_and_commitment_pulls_latents_to_codes(quantizer):
    state, latents = _state(quantizer), _latents()
    through = jax.jit(jax.grad(lambda z: jnp.sum(3.0 * quantizer.apply(state, z)[0])))(latents)
    np.testing.assert_allclose(through, 3.0, atol=1e-6)
    pull = jax.jit(jax.grad(lambda z: quantizer.apply(state, z)[2]))(latents)
    codes = jax.jit(quantizer.apply)(state, latents)[0]
    np.testing.assert_allclose(pull, 2 * (latents - codes) / 6, atol=1e-5)


def test_usage_and_perplexity_of_known_tokens(quantizer):
    state = _state(quantizer)
    table = state["codebook"]["embedding"]
    tokens = jnp.zeros((1, 2, PARTS, 2), jnp.int32).at[0, :, 1].set(jnp.array([[0, 1], [2, 3]]))
    latents = table[jnp.arange(PARTS)[:, None], tokens]
    aux = usage_of(jax.jit(quantizer.apply)(state, latents)[3]["counts"])
    np.testing.assert_allclose(aux["usage"], [0.25, 1.0])
    np.testing.assert_allclose(aux["perplexity"], [1.0, 4.0], rtol=1e-5)
