import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.nn import attention as module
from xdancer_jax.nn.attention import attention


def _inputs(length=7, keys=11):
    query, key, value = (
        jax.random.normal(k, (2, n, 2, 4))
        for k, n in zip(jax.random.split(jax.random.key(0), 3), (length, keys, keys), strict=True)
    )
    return query, key, value


@pytest.mark.parametrize("mask_length", [1, 7])
def test_chunked_equals_whole(monkeypatch, mask_length):
    query, key, value = _inputs()
    mask = jax.random.bernoulli(jax.random.key(1), 0.6, (2, 1, mask_length, 11)).at[..., 0].set(True)

    def run(q, k, v):
        return attention(q, k, v, mask=mask)

    want, pull = jax.vjp(run, query, key, value)
    want_grads = pull(want)
    monkeypatch.setattr(module, "MAX_SCORES", 2 * 11 * 3)  # three queries a chunk, the last chunk padded
    got, pull = jax.vjp(run, query, key, value)
    np.testing.assert_allclose(got, want, atol=1e-5)
    for a, b in zip(pull(want), want_grads, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_chunks_bound_memory(monkeypatch):
    monkeypatch.setattr(module, "MAX_SCORES", 2 * 11 * 3)
    compiled = jax.jit(attention).lower(*_inputs(length=600)).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 4 * 2 * 2 * 600 * 11  # all scores in float32


def test_causal_sees_no_later_key():
    query, key, value = _inputs(keys=7)
    late = value.at[:, 4:].add(1.0)
    a, b = (attention(query, key, v, is_causal=True) for v in (value, late))
    np.testing.assert_array_equal(a[:, :4], b[:, :4])
    assert jnp.abs(a[:, 4:] - b[:, 4:]).max() > 0.1
