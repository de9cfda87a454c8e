import jax
import jax.numpy as jnp
import numpy as np

from xdancer_jax.nn.resnet import Downsample, ResnetBlock, Upsample


def test_time_reaches_each_clip_alone(random_params):
    x = jnp.asarray(np.random.default_rng(1).normal(size=(4, 2, 2, 4)), jnp.float32)  # two clips of two frames
    time = jnp.ones((2, 6))
    block = ResnetBlock(8, norm_groups=2)
    params, apply = random_params(block, x, time), jax.jit(block.apply)
    moved = apply(params, x, time.at[1].add(1.0)) - apply(params, x, time)
    assert moved.shape == (4, 2, 2, 8)
    np.testing.assert_array_equal(moved[:2], 0.0)
    assert jnp.abs(moved[2:]).max(axis=(1, 2, 3)).min() > 1e-3


def test_upsample_is_nearest_with_crop(random_params):
    x = jnp.arange(6.0).reshape(1, 2, 3, 1)
    up = Upsample()
    params = random_params(up, x)
    params["params"]["conv"] = {"kernel": jnp.zeros((3, 3, 1, 1)).at[1, 1].set(1.0), "bias": jnp.zeros(1)}
    np.testing.assert_array_equal(
        up.apply(params, x, (3, 5))[0, :, :, 0], [[0, 0, 1, 1, 2], [0, 0, 1, 1, 2], [3, 3, 4, 4, 5]]
    )


def test_downsample_rounds_up_in_the_unet_and_down_in_the_autoencoder():
    x = jnp.ones((1, 5, 8, 2))
    for padding, want in (((1, 1), (3, 4)), ((0, 1), (2, 4))):
        y, _ = jax.eval_shape(Downsample(padding).init_with_output, jax.random.key(0), x)
        assert y.shape[1:3] == want
