import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from xdancer_jax.train import digest

WEIGHTS = {"a": {"w": np.arange(12, dtype=np.float32).reshape(3, 4)}, "b": np.ones(3, np.int32)}


def test_equal_content_has_an_equal_digest_on_hosts_and_devices():
    found = digest.of(WEIGHTS)
    assert found == digest.of(jax.tree.map(jnp.asarray, WEIGHTS)) and len(found) == 16


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32", "uint8", "bool"])
@pytest.mark.parametrize("shape", [(), (1,), (5,), (3, 1, 4)])
def test_numpy_and_devices_agree(dtype, shape):
    values = np.random.default_rng(0).normal(size=shape).astype(jnp.dtype(dtype))
    np.testing.assert_array_equal(digest._by_numpy(values), digest._on_devices(jnp.asarray(values)))


def test_chunks_do_not_count(monkeypatch):
    values = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    whole = digest._by_numpy(values)
    monkeypatch.setattr(digest, "_CHUNK", 4)
    np.testing.assert_array_equal(digest._by_numpy(values), whole)


def changed(tree):
    values = tree["a"]["w"]
    yield {"a": {"v": values}, "b": tree["b"]}  # another name
    yield {"a": {"w": values.reshape(4, 3)}, "b": tree["b"]}
    yield {"a": {"w": values[::-1]}, "b": tree["b"]}  # the same values elsewhere
    yield {"a": {"w": values.astype(ml_dtypes.bfloat16)}, "b": tree["b"]}
    yield {"a": {"w": np.nextafter(values, np.float32(99))}, "b": tree["b"]}
    yield {"a": {"w": values}, "b": 2 * tree["b"]}
    yield {"a": {"w": values}}
    yield {"a": {"w": values * np.float32(-1)}, "b": tree["b"]}


def test_any_change_changes_the_digest():
    found = [digest.of(WEIGHTS), *map(digest.of, changed(WEIGHTS))]
    assert len(set(found)) == len(found)
