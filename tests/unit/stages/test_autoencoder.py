import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import parts
from xdancer_jax.models.autoencoder import AutoencoderKL
from xdancer_jax.rng import Chance
from xdancer_jax.stage import variables
from xdancer_jax.stages import autoencoder

MODEL = AutoencoderKL((4, 4), layers_per_block=1, latent_channels=2, norm_groups=2)
BATCH = {"frames": jnp.asarray(np.random.default_rng(0).integers(0, 256, (3, 8, 6, 3), dtype=np.uint8))}
ENCODE = jax.jit(autoencoder.encode_latents, static_argnums=0)


@pytest.fixture(scope="module")
def stage():
    return autoencoder.make(MODEL, kl_weight=0.5, stats_decay=0.5)


@pytest.fixture(scope="module")
def state(stage):
    shapes = parts.shapes(stage, BATCH)
    latents = {"mean": jnp.array([0.5, -1.0]), "std": jnp.array([2.0, 0.25])}
    return parts.random(shapes["params"], 0.4), {"autoencoder": {"latents": latents}}


@pytest.fixture(scope="module")
def loss(stage):
    return jax.jit(parts.loss(stage), static_argnums=4)


@pytest.fixture(scope="module")
def encoded(state):
    """(mean, logvar) of the batch."""
    images = autoencoder.to_signed(BATCH["frames"])
    return jax.jit(lambda own: MODEL.apply({"params": own}, images, method="encode"))(state[0]["autoencoder"])


def test_loss_is_stable_diffusions_sum_over_pictures_divided_by_the_pixel_values(loss, state, encoded):
    """LPIPSWithDiscriminator: sum |x - y| + weight * sum 0.5 (mean^2 + var - 1 - log var), over pictures."""
    total, (metrics, extra) = loss(*state, BATCH, jax.random.key(1), False)
    images = autoencoder.to_signed(BATCH["frames"])
    chance = Chance.whole(jax.random.key(1), len(images))
    output, _, _ = jax.jit(MODEL.apply)({"params": state[0]["autoencoder"]}, images, chance)
    mean, logvar = (np.asarray(x, np.float64) for x in encoded)
    pictures, values = len(mean), 8 * 6 * 3
    fit = np.abs(np.asarray(output - images, np.float64)).sum() / pictures
    kl = 0.5 * (mean**2 + np.exp(logvar) - 1 - logvar).sum() / pictures
    assert 0.5 * kl > 0.01 * fit  # else nothing is seen of it
    np.testing.assert_allclose(total, (fit + 0.5 * kl) / values, rtol=1e-4)
    np.testing.assert_allclose([metrics["reconstruction"], metrics["kl"]], [fit / values, kl / values], rtol=1e-4)
    chex.assert_trees_all_equal(extra, state[1])  # evaluation leaves the moments alone


def test_training_tracks_the_moments_that_normalise_latents(stage, loss, state, encoded):
    """Half of the way from where they were at each step, in the end those of the one batch."""
    params, extra = state
    for step in range(30):
        _, (_, extra) = loss(params, extra, BATCH, jax.random.key(1), True)
        if step == 0:
            before, after = state[1]["autoencoder"]["latents"], extra["autoencoder"]["latents"]
            np.testing.assert_allclose(after["mean"], (before["mean"] + encoded[0].mean((0, 1, 2))) / 2, atol=1e-5)
            squares = np.square(encoded[0] - after["mean"]).mean((0, 1, 2))
            np.testing.assert_allclose(after["std"], np.sqrt((before["std"] ** 2 + squares) / 2), rtol=1e-4)
    weights = variables(params, extra, "autoencoder")
    latents = ENCODE(MODEL, weights, BATCH["frames"], None)
    np.testing.assert_allclose(latents.mean((0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(latents.std((0, 1, 2)), 1, atol=1e-4)
    decoded = jax.jit(autoencoder.decode_latents, static_argnums=0)(MODEL, weights, latents)
    rebuilt = jax.jit(stage.functions["reconstruct"])(params, extra, BATCH, jax.random.key(0))
    np.testing.assert_allclose(decoded, rebuilt["frames"], atol=1e-5)


def test_latents_are_drawn_in_training_and_means_else(state, encoded):
    mean, logvar = encoded
    latents, weights = state[1]["autoencoder"]["latents"], variables(*state, "autoencoder")
    centre = ENCODE(MODEL, weights, BATCH["frames"], None)
    np.testing.assert_allclose(centre, (mean - latents["mean"]) / latents["std"], atol=1e-5)
    drawn = ENCODE(MODEL, weights, BATCH["frames"], Chance.whole(jax.random.key(3), 3))
    noise = (drawn - centre) * latents["std"] / jnp.exp(0.5 * logvar)
    assert abs(float(noise.mean())) < 0.3 and 0.8 < float(noise.std()) < 1.2  # 72 of them


def test_pixels_round_trip():
    frames = jnp.arange(256, dtype=jnp.uint8)
    signed = autoencoder.to_signed(frames)
    np.testing.assert_allclose([signed.min(), signed.max()], [-1, 1])
    np.testing.assert_allclose(autoencoder.to_unit(signed) * 255, np.arange(256), atol=1e-3)


def test_squares_in_place_of_absolute_errors(state):
    loss = parts.loss(autoencoder.make(MODEL, reconstruction="l2"))
    _, (metrics, _) = jax.jit(lambda params, extra: loss(params, extra, BATCH, jax.random.key(1), False))(*state)
    np.testing.assert_allclose(metrics["psnr"], 10 * np.log10(4 / metrics["reconstruction"]), rtol=1e-5)


def test_unknown_reconstruction_is_named():
    with pytest.raises(ValueError, match="reconstruction='lpips'"):
        autoencoder.make(MODEL, reconstruction="lpips")
