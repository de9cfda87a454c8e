import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.nn import embeddings


@pytest.mark.parametrize("where", ["cpu", "gpu"])
def test_a_lookup_has_the_gradient_of_indexing(where, monkeypatch):
    monkeypatch.setattr(embeddings, "platform", lambda: where)
    table, index = jax.random.normal(jax.random.key(0), (7, 3)), jnp.array([[0, 3, 3], [6, 3, 0]])

    def run(take):
        return jax.value_and_grad(lambda table: jnp.sum(jnp.sin(take(table, index))))(table)

    got, wanted = run(embeddings.lookup), run(lambda table, index: table[index])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), got, wanted)


@pytest.mark.parametrize("where", ["cpu", "gpu"])
def test_a_lookup_s_gradient_in_bfloat16_is_summed_in_float32(where, monkeypatch):
    monkeypatch.setattr(embeddings, "platform", lambda: where)
    table, index = jnp.zeros((2, 3), jnp.bfloat16), jnp.zeros(1000, jnp.int32)
    gradient = jax.grad(lambda table: embeddings.lookup(table, index).sum())(table)
    assert gradient.dtype == jnp.bfloat16
    np.testing.assert_array_equal(gradient[0].astype(jnp.float32), 1000)  # bfloat16's sum of ones ends at 256


def test_on_a_gpu_a_lookup_scatters_nothing(monkeypatch):
    """Its order there is not the same twice."""
    def program():
        table = jnp.zeros((7, 3), jnp.bfloat16)
        return str(jax.make_jaxpr(jax.grad(lambda table: embeddings.lookup(table, jnp.arange(4)).sum()))(table))

    assert "scatter" in program()
    monkeypatch.setattr(embeddings, "platform", lambda: "gpu")
    jax.clear_caches()
    assert "scatter" not in program()


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
