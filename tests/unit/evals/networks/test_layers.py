import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.evals.networks import layers


@pytest.mark.parametrize("channels, groups", [(3, 1), (8, 1), (8, 4), (40, 5)])
@pytest.mark.parametrize("strides, pads", [((1, 1, 1), "SAME"), ((2, 2, 2), "SAME"), ((2, 1, 2), 1)])
def test_a_convolution_by_pictures_is_one_over_videos(channels, groups, strides, pads):
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.standard_normal((2, 5, 6, 7, channels)), jnp.float32)
    kernel = 0.1 * rng.standard_normal((3, 3, 3, channels // groups, 10 if groups == 5 else 8))
    kernel = jnp.asarray(kernel, jnp.float32)
    axes = zip(x.shape[1:4], strides, strict=True)
    widths = [layers.same(size, 3, stride) if pads == "SAME" else (pads, pads) for size, stride in axes]
    got = layers._by_pictures(x, kernel, strides, widths, groups)
    want = layers._plain(x, kernel, strides, widths, groups)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, atol=1e-5)


def test_a_kernel_of_one_cell_is_a_matrix():
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.standard_normal((1, 3, 4, 5, 6)), jnp.float32)
    kernel = jnp.asarray(rng.standard_normal((1, 1, 1, 6, 2)), jnp.float32)
    got = layers.convolve(x, kernel, (2, 2, 2), [(0, 0)] * 3, 1)
    np.testing.assert_allclose(got, layers._plain(x, kernel, (2, 2, 2), [(0, 0)] * 3, 1), atol=1e-5)


def test_norm_is_folded_into_the_convolution():
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.standard_normal((1, 4, 4, 3)), jnp.float32)
    conv, norm = layers.Conv(2, (1, 1), (1, 1), use_bias=True), layers.FixedNorm(1e-3)
    kernel, bias = rng.standard_normal((1, 1, 3, 2)).astype(np.float32), np.asarray([1.0, 2.0], np.float32)
    scale, shift, mean, var = (np.asarray(v, np.float32) for v in ([2, 3], [4, 5], [6, 7], [8, 9]))
    factors = norm.apply({"params": {"scale": scale, "bias": shift, "mean": mean, "var": var}}, 2)
    got = conv.apply({"params": {"kernel": kernel, "bias": bias}}, x, factors)
    want = (x @ kernel[0, 0] + bias - mean) / np.sqrt(var + 1e-3) * scale + shift
    np.testing.assert_allclose(got, want, atol=1e-5)


def test_pools_by_hand():
    x = -jnp.arange(1.0, 8).reshape(1, 7, 1)  # negative, so that zeros as padding would win
    assert layers.max_pool(x, (3,), (2,), 0).ravel().tolist() == [-1, -3, -5]
    assert layers.max_pool(x, (2,), (2,), 0).ravel().tolist() == [-1, -3, -5]
    assert layers.max_pool(x, (2,), (2,), 0, ceil=True).ravel().tolist() == [-1, -3, -5, -7]
    assert layers.max_pool(x, (3,), (2,), 1).ravel().tolist() == [-1, -2, -4, -6]
    assert layers.max_pool(x, (3,), (2,), "SAME").ravel().tolist() == [-1, -2, -4, -6]


def test_the_default_backend_takes_the_plain_one():
    """What is not a CPU keeps the convolution over three axes, which its own library has."""
    lowered = jax.jit(lambda x, k: layers.convolve(x, k, (1, 1, 1), [(1, 1)] * 3, 1)).trace(
        jnp.zeros((1, 3, 4, 4, 8)), jnp.zeros((3, 3, 3, 8, 8))
    )
    assert lowered.lower(lowering_platforms=("tpu",)).as_text().count("stablehlo.convolution") == 1
    assert lowered.lower(lowering_platforms=("cpu",)).as_text().count("stablehlo.convolution") == 3
