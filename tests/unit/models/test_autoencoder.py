import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.models.autoencoder import AutoencoderKL
from xdancer_jax.rng import Chance

TINY = {"block_out_channels": (4, 8), "layers_per_block": 1, "latent_channels": 3, "norm_groups": 2}


@pytest.fixture(scope="module")
def tiny():
    model = AutoencoderKL(**TINY)
    images = jax.random.uniform(jax.random.key(0), (1, 6, 4, 3), minval=-1.0)
    shapes = nn.unbox(jax.eval_shape(model.init, jax.random.key(0), images, Chance.whole(jax.random.key(1), 1)))
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape) * 0.3, x.dtype), shapes)
    return model, params, images


def test_size_of_stable_diffusion_1():
    shapes = jax.eval_shape(
        AutoencoderKL().init, jax.random.key(0), jnp.zeros((1, 64, 64, 3)), Chance.whole(jax.random.key(1), 1)
    )
    assert sum(x.size for x in jax.tree.leaves(shapes)) == 83_653_863
    assert AutoencoderKL().downsampling == 8


def test_call_is_sample_then_decode(tiny):
    model, params, images = tiny
    chance = Chance.whole(jax.random.key(3), 1)
    reconstruction, mean, logvar = jax.jit(model.apply)(params, images, chance)
    assert mean.shape == logvar.shape == (1, 3, 2, 3)
    latents = mean + jnp.exp(0.5 * logvar) * chance.normal(mean.shape[1:])
    decoded = jax.jit(lambda p, z: model.apply(p, z, method="decode"))(params, latents)
    np.testing.assert_allclose(decoded, reconstruction, atol=1e-4)


def test_log_variance_is_bounded(tiny):
    model, params, images = tiny
    params = jax.tree.map(lambda x: x, params)  # new dicts
    params["params"]["quant_conv"]["bias"] = jnp.full(6, 1e4)
    assert jnp.all(jax.jit(lambda p: model.apply(p, images, method="encode"))(params)[1] == 20.0)


def test_size_must_divide(tiny):
    model, params, _ = tiny
    with pytest.raises(ValueError, match="multiples of 2"):
        model.apply(params, jnp.zeros((1, 5, 4, 3)), method="encode")
