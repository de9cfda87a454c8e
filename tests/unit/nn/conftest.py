import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest


def _random_params(module, *inputs):
    """Unboxed variables with values from numpy: no initialiser has to be compiled for them."""
    shapes = nn.unbox(jax.eval_shape(module.init, jax.random.key(0), *inputs))
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape) * 0.3, x.dtype), shapes)


@pytest.fixture(scope="session")
def random_params():
    return _random_params
