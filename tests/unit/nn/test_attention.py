import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.nn import attention as module
from xdancer_jax.nn.attention import attention
from xdancer_jax.nn.attention_blocks import block_attention
from xdancer_jax.nn.attention_tpu import splash_attention


def _inputs(length=7, keys=11):
    query, key, value = (
        jax.random.normal(k, (2, n, 2, 4))
        for k, n in zip(jax.random.split(jax.random.key(0), 3), (length, keys, keys), strict=True)
    )
    return query, key, value


def _naive(query, key, value, lengths=None):
    scores = jnp.einsum("blnd,bknd->bnlk", query, key) / query.shape[-1] ** 0.5
    if lengths is not None:
        scores = jnp.where((jnp.arange(key.shape[1]) < lengths[:, None])[:, None, None], scores, -jnp.inf)
    return jnp.einsum("bnlk,bknd->blnd", jax.nn.softmax(scores), value)


def _assert_equal(function, naive, arrays, *lengths):
    """Results and gradients, to 1e-5 of their scale."""
    want, pull = jax.vjp(lambda *x: naive(*x, *lengths), *arrays)
    got, pull_too = jax.vjp(lambda *x: function(*x, *lengths), *arrays)
    direction = jax.random.normal(jax.random.key(9), want.shape)
    for a, b in zip((got, *pull_too(direction)), (want, *pull(direction)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * float(jnp.abs(b).max()))


@pytest.mark.parametrize("lengths", [None, (11, 4)])
@pytest.mark.parametrize("length", [1, 7, 64, 65, 200])
def test_blocks_equal_the_naive_form(length, lengths):
    given = [] if lengths is None else [jnp.array(lengths)]
    _assert_equal(block_attention, _naive, _inputs(length), *given)
    _assert_equal(lambda *x: attention(*x[:3], key_lengths=x[3] if given else None), _naive, _inputs(length), *given)


def test_keys_beyond_the_length_count_for_nothing():
    query, key, value = _inputs()
    lengths = jnp.array([5, 11])
    found = attention(query, key, value, key_lengths=lengths)
    other = attention(query, key.at[0, 5:].add(9), value.at[0, 5:].set(1e6), key_lengths=lengths)
    np.testing.assert_array_equal(found, other)
    assert jnp.abs(found - attention(query, key, value)).max() > 0.01


def test_blocks_bound_memory_forward_and_backward():
    """A frame at 896x512 on the finest level: a twentieth of what the naive form takes."""
    shape = [jax.ShapeDtypeStruct((1, n, 8, 40), jnp.float32) for n in (7168, 14336, 14336)]

    def temporaries(function):
        gradient = jax.jit(jax.grad(lambda *x: function(*x).sum(), argnums=(0, 1, 2)))
        return gradient.lower(*shape).compile().memory_analysis().temp_size_in_bytes

    assert temporaries(attention) < temporaries(_naive) / 20


@pytest.mark.parametrize("lengths", [None, (300, 130)])
@pytest.mark.parametrize("keys", [300, 384])
def test_the_splash_kernel_equals_the_naive_form(keys, lengths):
    """Computed by JAX's interpreter of kernels: heads of 40, odd lengths, keys that are not seen."""
    arrays = [jax.random.normal(k, (2, n, 2, 40)) for k, n in zip(jax.random.split(jax.random.key(0), 3),
                                                                   (260, keys, keys), strict=True)]  # fmt: skip
    given = [] if lengths is None else [jnp.array(lengths)]
    _assert_equal(lambda *x: splash_attention(*x, interpret=True), _naive, arrays, *given)


@pytest.mark.parametrize("lengths", [False, True])
def test_on_a_tpu_long_attention_is_the_splash_kernel_forward_and_backward(monkeypatch, lengths):
    monkeypatch.setattr(module, "platform", lambda: "tpu")
    shapes = [jax.ShapeDtypeStruct((2, n, 2, 40), jnp.bfloat16) for n in (448, 896, 896)]
    given = [jax.ShapeDtypeStruct((2,), jnp.int32)] if lengths else []

    def loss(q, k, v, *lengths):
        return attention(q, k, v, key_lengths=lengths[0] if lengths else None).astype(jnp.float32).sum()

    text = jax.jit(jax.grad(loss)).trace(*shapes, *given).lower(lowering_platforms=("tpu",)).as_text()
    assert text.count("tpu_custom_call") >= 2
    short = [jax.ShapeDtypeStruct((2, 16, 2, 40), jnp.bfloat16)] * 3
    assert "tpu_custom_call" not in jax.jit(loss).trace(*short).lower(lowering_platforms=("tpu",)).as_text()


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
    assert calls == [("cudnn", {"is_causal": True, "key_value_seq_lengths": None})]
    np.testing.assert_array_equal(got, real(*arrays, is_causal=True))
    for shape, dtype in (((2, 7, 2, 8), jnp.float32), ((2, 7, 2, 12), jnp.bfloat16), ((2, 7, 2, 136), jnp.bfloat16)):
        attention(*[jnp.ones(shape, dtype)] * 3, is_causal=True)
    assert len(calls) == 1  # cuDNN has no float32, and heads of multiples of 8 up to 128


def test_on_a_gpu_other_attention_in_half_precision_is_cudnn_s(monkeypatch):
    monkeypatch.setattr(module, "platform", lambda: "gpu")
    calls = []
    real = jax.nn.dot_product_attention
    monkeypatch.setattr(
        jax.nn, "dot_product_attention",
        lambda *x, implementation=None, **options: calls.append(implementation) or real(*x, **options),
    )
    arrays = [jax.random.normal(jax.random.key(n), (2, n, 2, 8)).astype(jnp.bfloat16) for n in (7, 11, 11)]
    for lengths in (None, jnp.array([11, 4])):
        got = attention(*arrays, key_lengths=lengths)
        want = _naive(*(x.astype(jnp.float32) for x in arrays), lengths)
        assert got.shape == want.shape
        np.testing.assert_allclose(got.astype(jnp.float32), want, atol=0.02)
    assert calls == ["cudnn"] * 2
    attention(*(x.astype(jnp.float32) for x in arrays))
    assert calls == ["cudnn", "cudnn", None]


def test_a_causal_call_with_lengths_or_other_keys_is_refused():
    query, key, value = _inputs(7, 7)
    with pytest.raises(ValueError, match="causal attention takes no key_lengths and as many keys as queries"):
        attention(query, key, value, key_lengths=jnp.array([7, 7]), is_causal=True)
    with pytest.raises(ValueError, match="keys .2, 11, 2, 4."):
        attention(*_inputs(7, 11), is_causal=True)
