import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.nn import linear


@pytest.mark.parametrize("where", ["cpu", "tpu"])
def test_row_dense_is_a_dense_layer_with_its_kernel_transposed(where, monkeypatch):
    monkeypatch.setattr(linear, "platform", lambda: where)
    rng = np.random.default_rng(0)
    x, kernel, bias = (jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in ((3, 5), (4, 5), (4,)))
    out = linear.RowDense(4, "float32").apply({"params": {"kernel": (kernel,), "bias": bias}}, x)
    np.testing.assert_allclose(out, np.asarray(x) @ np.asarray(kernel).T + np.asarray(bias), atol=1e-5)


@pytest.mark.parametrize(("shape", "pieces"), [
    ((2304, 768), 3), ((768, 768), 1), ((3072, 768), 4), ((768, 3072), 4),  # GPT-2 small
    ((2048, 512), 1),  # a square of 1 MiB
])
def test_a_large_kernel_is_cut_along_its_outputs_on_a_cpu(shape, pieces, monkeypatch):
    kernel = jnp.arange(shape[0] * shape[1], dtype=jnp.float32).reshape(shape)
    cut = linear.cut(kernel)
    assert len(cut) == pieces
    np.testing.assert_array_equal(jnp.concatenate(cut), kernel)
    monkeypatch.setattr(linear, "platform", lambda: "gpu")
    assert len(linear.cut(kernel)) == 1


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_row_dense_takes_a_large_kernel_as_it_is_cut(dtype):
    rng = np.random.default_rng(0)
    x, kernel = (jnp.asarray(rng.normal(size=shape), dtype) for shape in ((2, 768), (2304, 768)))
    params = {"kernel": linear.cut(kernel), "bias": jnp.zeros(2304)}
    out = linear.RowDense(2304, dtype).apply({"params": params}, x)
    wanted = np.asarray(x, np.float32) @ np.asarray(kernel, np.float32).T
    np.testing.assert_allclose(np.asarray(out, np.float32), wanted, rtol=1e-2, atol=1e-3 if dtype == "float32" else 0.5)


def test_a_kernel_that_does_not_split_evenly_stays_whole():
    assert len(linear.cut(jnp.zeros((1000, 3072)))) == 1


@pytest.mark.parametrize("outputs", [512, 2304])
def test_on_a_cpu_a_row_does_not_depend_on_the_rows_beside_it(outputs):
    rng = np.random.default_rng(0)
    x, kernel = (jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in ((8, 768), (outputs, 768)))
    product, kernel = jax.jit(linear.row_products), linear.cut(kernel)
    whole = product(x, kernel)
    for rows in ([0], [3, 1], [7, 5, 2, 0]):
        np.testing.assert_array_equal(product(x[np.array(rows)], kernel), whole[np.array(rows)])
