import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.decoding import check, filter_logits, sample


def _reference(logits, temperature, top_k, top_p):
    """Row by row, in float64."""
    out = np.asarray(logits, np.float64) / temperature
    for row in out.reshape(-1, out.shape[-1]):
        if top_k:
            row[np.argsort(-row)[top_k:]] = -np.inf
        order = np.argsort(-row)
        probabilities = np.exp(row[order] - row.max())
        probabilities /= probabilities.sum()
        kept = 1 + np.searchsorted(np.cumsum(probabilities), top_p) if top_p < 1 else len(row)
        row[order[kept:]] = -np.inf
    return out


@pytest.mark.parametrize("settings", [(1.0, 0, 1.0), (0.7, 5, 1.0), (1.3, 0, 0.6), (0.9, 6, 0.8), (1.0, 0, 1e-6)])
def test_filter_matches_numpy(settings):
    logits = np.random.default_rng(0).normal(size=(3, 4, 11)).astype(np.float32) * 2
    np.testing.assert_allclose(filter_logits(jnp.asarray(logits), *settings), _reference(logits, *settings), rtol=1e-5)


def test_samples_follow_the_filtered_distribution():
    logits = jnp.log(jnp.array([0.5, 0.3, 0.15, 0.05]))
    drawn = sample(jax.random.split(jax.random.key(0), 20000), jnp.broadcast_to(logits, (20000, 4)), 1.0, 0, 0.7)
    share = np.bincount(drawn, minlength=4) / 20000
    np.testing.assert_allclose(share, [0.625, 0.375, 0, 0], atol=0.015)


def test_top_k_one_is_greedy_and_a_row_has_its_own_key():
    logits = jnp.asarray(np.random.default_rng(1).normal(size=(5, 9)), jnp.float32)

    def keys():
        return jax.random.split(jax.random.key(0), 5)

    np.testing.assert_array_equal(sample(keys(), logits, 1.0, 1), jnp.argmax(logits, axis=-1))
    whole = sample(keys(), logits)
    for i in range(5):
        assert sample(keys()[i : i + 1], logits[i : i + 1])[0] == whole[i]


@pytest.mark.parametrize("settings", [(0.0, 0, 1.0), (-1.0, 0, 1.0), (1.0, -1, 1.0), (1.0, 0, 0.0), (1.0, 0, 1.5)])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match="sampling needs temperature > 0"):
        check(*settings)
