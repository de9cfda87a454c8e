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


@pytest.mark.parametrize("length", [1, 5, 64, 200, 700])
def test_causal_blocks_equal_the_whole(length):
    query, key, value = _inputs(length, length)

    def loss(function):
        return jax.jit(jax.value_and_grad(lambda *x: jnp.sum(jnp.square(function(*x))), argnums=(0, 1, 2)))

    whole = loss(lambda *x: jax.nn.dot_product_attention(*x, is_causal=True))(query, key, value)
    blocks = loss(lambda *x: attention(*x, is_causal=True))(query, key, value)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), blocks, whole)


def test_on_a_tpu_causal_attention_is_the_splash_kernel_forward_and_backward(monkeypatch):
    monkeypatch.setattr(module, "platform", lambda: "tpu")
    shape = jax.ShapeDtypeStruct((1, 200, 2, 64), jnp.bfloat16)
    step = jax.jit(jax.grad(lambda q, k, v: attention(q, k, v, is_causal=True).astype(jnp.float32).sum()))
    text = step.trace(shape, shape, shape).lower(lowering_platforms=("tpu",)).as_text()
    assert text.count("tpu_custom_call") >= 2


def test_on_a_gpu_causal_attention_in_half_precision_is_cudnn_s(monkeypatch):
    monkeypatch.setattr(module, "platform", lambda: "gpu")
    calls = []
    real = jax.nn.dot_product_attention
    monkeypatch.setattr(
        jax.nn, "dot_product_attention",
        lambda *x, implementation=None, **options: calls.append((implementation, options)) or real(*x, **options),
    )
    arrays = [x.astype(jnp.bfloat16) for x in jax.random.normal(jax.random.key(0), (3, 2, 7, 2, 8))]
    got = attention(*arrays, is_causal=True)  # an odd length, which cuDNN gets padded
    assert calls == [("cudnn", {"is_causal": True})]
    np.testing.assert_array_equal(got, real(*arrays, is_causal=True))
    for shape, dtype in (((2, 7, 2, 8), jnp.float32), ((2, 7, 2, 12), jnp.bfloat16), ((2, 7, 2, 136), jnp.bfloat16)):
        attention(*[jnp.ones(shape, dtype)] * 3, is_causal=True)
    assert len(calls) == 1  # cuDNN has no float32, and heads of multiples of 8 up to 128


def test_a_causal_call_with_a_mask_or_other_keys_is_refused():
    query, key, value = _inputs(7, 7)
    with pytest.raises(ValueError, match="causal attention takes no mask and as many keys as queries"):
        attention(query, key, value, mask=jnp.ones((1, 1, 1, 7), bool), is_causal=True)
    with pytest.raises(ValueError, match="keys .2, 11, 2, 4."):
        attention(*_inputs(7, 11), is_causal=True)
