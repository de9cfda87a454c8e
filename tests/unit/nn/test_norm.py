import jax
import jax.numpy as jnp
import numpy as np

from xdancer_jax.nn import norm


def test_groups_are_normalised_apart_in_float32():
    x = jax.random.normal(jax.random.key(0), (2, 3, 5, 4)) * jnp.array([1.0, 1.0, 9.0, 9.0]) + 300.0
    layer = norm.group_norm(2, dtype="bfloat16")
    y, variables = layer.init_with_output(jax.random.key(1), x)
    assert y.dtype == jnp.bfloat16
    y = np.asarray(y, np.float32).reshape(2, 15, 2, 2)
    np.testing.assert_allclose(y.mean((1, 3)), 0.0, atol=1e-2)
    np.testing.assert_allclose(y.std((1, 3)), 1.0, atol=1e-2)
    assert variables["params"]["scale"].names == (None,)


def test_layer_norm_keeps_precision_far_from_zero():
    x = 4096.0 + jnp.arange(8.0)[None]
    y = norm.layer_norm().init_with_output(jax.random.key(0), x)[0]
    np.testing.assert_allclose(y[0], (np.arange(8) - 3.5) / np.std(np.arange(8)), atol=1e-5)
