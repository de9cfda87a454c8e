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
    out = linear.RowDense(4, "float32").apply({"params": {"kernel": kernel, "bias": bias}}, x)
    np.testing.assert_allclose(out, np.asarray(x) @ np.asarray(kernel).T + np.asarray(bias), atol=1e-5)


@pytest.mark.parametrize("outputs", [512, 2304])
def test_on_a_cpu_a_row_does_not_depend_on_the_rows_beside_it(outputs):
    rng = np.random.default_rng(0)
    x, kernel = (jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in ((8, 768), (outputs, 768)))
    product = jax.jit(linear.row_products)
    whole = product(x, kernel)
    for rows in ([0], [3, 1], [7, 5, 2, 0]):
        np.testing.assert_array_equal(product(x[np.array(rows)], kernel), whole[np.array(rows)])
