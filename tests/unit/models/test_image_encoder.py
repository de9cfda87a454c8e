import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.models.image_encoder import PIXEL_MEAN, PIXEL_STD, ImageEncoder, preprocess


def test_size_of_vit_large():
    shapes = jax.eval_shape(ImageEncoder().init, jax.random.key(0), jnp.zeros((1, 224, 224, 3)))
    assert sum(x.size for x in jax.tree.leaves(shapes)) == 303_966_208


def test_one_token_and_size_check():
    model = ImageEncoder(image_size=4, patch_size=2, width=8, depth=1, heads=2, projection_dim=5)
    pixels = jax.random.normal(jax.random.key(0), (2, 4, 4, 3))
    shapes = nn.unbox(jax.eval_shape(model.init, jax.random.key(0), pixels))
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape), x.dtype), shapes)
    out = jax.jit(model.apply)(params, pixels)
    assert out.shape == (2, 1, 5) and jnp.abs(out[0] - out[1]).max() > 1e-3
    with pytest.raises(ValueError, match="image_size is 4"):
        jax.eval_shape(model.init, jax.random.key(1), jnp.zeros((1, 6, 4, 3)))


def test_preprocess_keeps_the_whole_picture_and_pads_with_the_mean():
    images = np.zeros((1, 8, 4, 3), np.uint8)
    images[:, 0], images[:, -1] = 255, 255  # head and feet
    out = preprocess(jnp.asarray(images), 8) * jnp.asarray(PIXEL_STD) + jnp.asarray(PIXEL_MEAN)
    np.testing.assert_allclose(out[0, :, 2:6], images[0] / 255.0, atol=1e-5)
    np.testing.assert_allclose(out[0, :, :2], jnp.broadcast_to(jnp.asarray(PIXEL_MEAN), (8, 2, 3)), atol=1e-5)
    floats = preprocess(jnp.asarray(images / 255.0, jnp.float32), 8) * jnp.asarray(PIXEL_STD) + jnp.asarray(PIXEL_MEAN)
    np.testing.assert_allclose(floats, out, atol=1e-5)


def test_crop_shows_the_middle_and_squash_all_of_it():
    images = np.zeros((1, 8, 4, 3), np.uint8)
    images[:, :2], images[:, -2:] = 255, 255  # head and feet

    def shown(framing):
        pixels = preprocess(jnp.asarray(images), 4, framing) * jnp.asarray(PIXEL_STD) + jnp.asarray(PIXEL_MEAN)
        return np.asarray(pixels[0, :, :, 0])

    np.testing.assert_allclose(shown("crop"), np.zeros((4, 4)), atol=1e-5)
    assert shown("squash")[0].min() > 0.8 and shown("squash")[-1].min() > 0.8 and shown("squash")[1:3].max() < 0.2
    with pytest.raises(ValueError, match="framing='fit': choose one of"):
        preprocess(jnp.asarray(images), 4, "fit")


@pytest.mark.parametrize("framing", ["pad", "crop", "squash"])
@pytest.mark.parametrize("size", [(9, 5), (5, 9), (3, 2)])
def test_every_framing_gives_a_square(size, framing):
    assert preprocess(jnp.zeros((1, *size, 3)), 4, framing).shape == (1, 4, 4, 3)
