import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.models.autoencoder import AutoencoderKL
from xdancer_jax.stages import autoencoder

MODEL = AutoencoderKL((4, 4), layers_per_block=1, latent_channels=2, norm_groups=2)
BATCH = {"frames": np.random.default_rng(0).integers(0, 256, (3, 8, 6, 3), dtype=np.uint8)}


@pytest.fixture(scope="module")
def stage():
    return autoencoder.make(MODEL, kl_weight=0.5, stats_decay=0.0)


@pytest.fixture(scope="module")
def state(stage):
    import flax.linen as nn

    params, extra = jax.jit(stage.init)(jax.random.key(0), BATCH)
    return nn.meta.unbox(params), extra


def test_loss_is_reconstruction_plus_weighted_kl(stage, state):
    total, (metrics, extra) = jax.jit(stage.loss, static_argnums=4)(*state, BATCH, jax.random.key(1), False)
    np.testing.assert_allclose(total, metrics["reconstruction"] + 0.5 * metrics["kl"], rtol=1e-6)
    images = autoencoder.to_signed(jnp.asarray(BATCH["frames"]))
    mean, logvar = MODEL.apply({"params": state[0]}, images, method="encode")
    kl = 0.5 * np.mean(np.square(mean) + np.exp(logvar) - 1 - logvar)
    np.testing.assert_allclose(metrics["kl"], kl, rtol=1e-4)
    assert (np.asarray(extra["latents"]["mean"]) == 0).all()  # evaluation leaves the moments alone


def test_training_tracks_the_moments_that_normalise_latents(stage, state):
    params, extra = state
    _, (_, extra) = jax.jit(stage.loss, static_argnums=4)(params, extra, BATCH, jax.random.key(1), True)
    latents = autoencoder.encode_latents(MODEL, params, extra, jnp.asarray(BATCH["frames"]), None)
    np.testing.assert_allclose(latents.mean((0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(latents.std((0, 1, 2)), 1, atol=1e-4)  # decay 0: the last batch's own moments
    decoded = autoencoder.decode_latents(MODEL, params, extra, latents)
    rebuilt = stage.functions["reconstruct"](params, extra, jax.tree.map(jnp.asarray, BATCH), jax.random.key(0))
    np.testing.assert_allclose(decoded, rebuilt["frames"], atol=1e-5)


def test_pixels_round_trip():
    frames = jnp.arange(256, dtype=jnp.uint8)
    signed = autoencoder.to_signed(frames)
    np.testing.assert_allclose([signed.min(), signed.max()], [-1, 1])
    np.testing.assert_allclose(autoencoder.to_unit(signed) * 255, np.arange(256), atol=1e-3)


def test_unknown_reconstruction_is_named():
    with pytest.raises(ValueError, match="reconstruction='lpips'"):
        autoencoder.make(MODEL, reconstruction="lpips")
