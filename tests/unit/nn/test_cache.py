import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.nn import attention, cache

L, N, D = 11, 2, 8


def _slots(length=L):
    """Keys and values (2, length, N, D), and a query (2, N, D)."""
    key, value, query = jax.random.split(jax.random.key(0), 3)
    shape = (2, length, N, D)
    return jax.random.normal(key, shape), jax.random.normal(value, shape), jax.random.normal(query, (2, N, D))


@pytest.fixture(params=["cpu", "gpu", "tpu"])
def where(request, monkeypatch):
    for module in (attention, cache):
        monkeypatch.setattr(module, "platform", lambda: request.param)
    return request.param


def test_each_platform_has_its_layout(where):
    shapes = [keys.shape for keys, _ in cache.empty(2, L, N, D, "float32")]
    layouts = {"cpu": [(2, N, length, D) for length in (2, 5, L)], "gpu": [(2, L, N, D)], "tpu": [(2, N, L, D)]}
    assert shapes == layouts[where]


def test_a_slot_sees_the_cache_up_to_itself(where):
    key, value, query = _slots()
    attend = jax.jit(cache.attend)
    for position in range(L):
        later = jnp.arange(L)[:, None, None] > position
        spoilt = jnp.where(later, 1e3, key)  # what lies behind is never looked at
        filled = cache.write(cache.empty(2, L, N, D, "float32"), spoilt, value, 0)
        seen = slice(0, position + 1)
        wanted = jax.nn.dot_product_attention(query[:, None], key[:, seen], value[:, seen])[:, 0]
        np.testing.assert_allclose(attend(query, filled, jnp.int32(position)), wanted, atol=1e-5)


def test_slots_written_one_by_one_are_those_written_at_once(where):
    key, value, query = _slots()
    one_by_one = cache.empty(2, L, N, D, "float32")
    write = jax.jit(cache.write)
    for position in range(L):
        new = slice(position, position + 1)
        one_by_one = write(one_by_one, key[:, new], value[:, new], jnp.int32(position))
        at_once = cache.write(cache.empty(2, L, N, D, "float32"), key[:, : position + 1], value[:, : position + 1], 0)
        got, wanted = (cache.attend(query, filled, jnp.int32(position)) for filled in (one_by_one, at_once))
        np.testing.assert_array_equal(got, wanted)


def test_on_a_gpu_half_precision_is_cudnn_s_over_the_slots_so_far(monkeypatch):
    for module in (attention, cache):
        monkeypatch.setattr(module, "platform", lambda: "gpu")
    calls, real = [], jax.nn.dot_product_attention

    def spy(*arrays, implementation, **options):
        calls.append(implementation)
        return real(*arrays, **options)

    monkeypatch.setattr(jax.nn, "dot_product_attention", spy)
    key, value, query = (x.astype(jnp.bfloat16) for x in _slots())
    filled = cache.write(cache.empty(2, L, N, D, "bfloat16"), key.at[:, 6:].set(1e3), value, 0)
    got = cache.attend(query, filled, jnp.int32(5))
    wanted = real(query[:, None], key[:, :6], value[:, :6])[:, 0]
    np.testing.assert_allclose(got.astype(jnp.float32), wanted.astype(jnp.float32), atol=0.02)
    assert calls == ["cudnn"]
    cache.attend(*(jax.tree.map(lambda x: x.astype(jnp.float32), part) for part in (query, filled)), jnp.int32(5))
    assert calls == ["cudnn"]  # cuDNN has no float32
