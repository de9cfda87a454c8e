"""Our autoencoder against diffusers' AutoencoderKL, randomly initialised."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.models.autoencoder import AutoencoderKL
from xdancer_jax.rng import Chance
from xdancer_jax.stages import autoencoder

torch = pytest.importorskip("torch", reason="parity needs torch, diffusers and transformers")
diffusers = pytest.importorskip("diffusers", reason="parity needs torch, diffusers and transformers")


def test_encode_and_decode(from_torch):
    torch.manual_seed(0)
    channels = (8, 16, 16)
    theirs = diffusers.AutoencoderKL(
        block_out_channels=channels, layers_per_block=2, latent_channels=4, norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3,
    )
    ours = AutoencoderKL(block_out_channels=channels, layers_per_block=2, latent_channels=4, norm_groups=4)
    images = np.random.default_rng(0).uniform(-1, 1, (2, 16, 12, 3)).astype(np.float32)
    params = from_torch(theirs, ours, jnp.asarray(images), Chance.whole(jax.random.key(1), len(images)))
    with torch.no_grad():
        posterior = theirs.encode(torch.from_numpy(images).permute(0, 3, 1, 2)).latent_dist
        decoded = theirs.decode(posterior.mean).sample
    mean, logvar = jax.jit(lambda p, x: ours.apply(p, x, method="encode"))(params, images)
    image = jax.jit(lambda p, x: ours.apply(p, x, method="decode"))(params, mean)
    for name, got, want in (("mean", mean, posterior.mean), ("logvar", logvar, posterior.logvar),
                            ("image", image, decoded)):
        want = want.permute(0, 2, 3, 1).numpy()
        error = np.abs(np.asarray(got) - want).max() / np.abs(want).max()
        print(f"AutoencoderKL {name}: {error:.2e}")
        assert error < 1e-4, name


def test_latents_of_public_weights_are_scaled_as_their_scaling_factor_says(from_torch):
    """Moments 0 and 1 / 0.18215, which pretrained weights come with, make SD1.x's convention of ours."""
    theirs = diffusers.AutoencoderKL(
        block_out_channels=(4,), layers_per_block=1, latent_channels=4, norm_num_groups=2,
        down_block_types=("DownEncoderBlock2D",), up_block_types=("UpDecoderBlock2D",), scaling_factor=0.18215,
    )
    ours = AutoencoderKL(block_out_channels=(4,), layers_per_block=1, latent_channels=4, norm_groups=2)
    frames = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), dtype=np.uint8)
    signed = frames.astype(np.float32) / 127.5 - 1
    params = from_torch(theirs, ours, jnp.asarray(signed), Chance.whole(jax.random.key(1), len(frames)))
    with torch.no_grad():
        want = theirs.encode(torch.from_numpy(signed).permute(0, 3, 1, 2)).latent_dist.mode()
        want = (want * theirs.config.scaling_factor).permute(0, 2, 3, 1).numpy()
    weights = params | {"latents": {"mean": jnp.zeros(4), "std": jnp.full(4, 1 / 0.18215)}}
    latents = autoencoder.encode_latents(ours, weights, jnp.asarray(frames), None)
    np.testing.assert_allclose(latents, want, atol=1e-4 * np.abs(want).max())
