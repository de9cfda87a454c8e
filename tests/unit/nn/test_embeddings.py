import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.nn import embeddings


def test_timesteps_cosines_first():
    got = embeddings.timestep_embedding(jnp.array([0, 7]), 4)
    np.testing.assert_allclose(got[0], [1, 1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(got[1], [np.cos(7), np.cos(0.07), np.sin(7), np.sin(0.07)], atol=1e-6)


def test_odd_width_is_an_error():
    with pytest.raises(ValueError, match="odd"):
        embeddings.timestep_embedding(jnp.zeros(1), 5)


def test_frame_positions_interleave():
    table = embeddings.frame_positions(3, 4)
    np.testing.assert_allclose(table[2], [np.sin(2), np.cos(2), np.sin(0.02), np.cos(0.02)], atol=1e-6)
