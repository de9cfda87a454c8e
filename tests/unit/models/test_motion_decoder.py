import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.models.motion_decoder import MotionDecoder, PoseStyle, StyledBlock, instance_norm

MODEL = MotionDecoder((8, 4), (4, 6), (4, 4), style_width=8, temporal_kernel=3)


def _inputs(frames=4):
    keys = jax.random.split(jax.random.key(0))
    return jax.random.normal(keys[0], (2, frames, 5, 3)), jax.random.uniform(keys[1], (2, frames, 60))


@pytest.fixture(scope="module")
def params():
    return nn.meta.unbox(jax.jit(MODEL.init)(jax.random.key(1), *_inputs()))["params"]


def _opened(params):
    """The parameters with the zero-initialised layers filled, so that something comes out."""
    noise = lambda x: jax.random.normal(jax.random.key(2), x.shape)  # noqa: E731
    return jax.tree.map(lambda x: jnp.where((x == 0).all(), noise(x), x), params)


def test_zero_at_first_at_every_resolution(params):
    residuals = jax.jit(MODEL.apply)({"params": params}, *_inputs())
    assert [r.shape for r in residuals] == [(2, 4, 4, 6, 8), (2, 4, 2, 3, 4)]
    assert all((np.asarray(r) == 0).all() for r in residuals)


def test_each_frame_sees_its_own_pose_and_confidence_and_its_neighbours(params):
    codes, confidences = _inputs()
    apply = jax.jit(MODEL.apply)
    variables = {"params": _opened(params)}
    base = apply(variables, codes, confidences)
    for change in ((codes.at[:, 0].add(1.0), confidences), (codes, confidences.at[:, 0].add(0.5))):
        for before, after in zip(base, apply(variables, *change), strict=True):
            moved = np.abs(np.asarray(after - before)).max((0, 2, 3, 4))
            assert (moved[:2] > 1e-3).all() and (moved[2:] < 1e-5).all()  # kernel 3: frames 0 and 1 see frame 0


@pytest.mark.parametrize(("kernel", "seen"), [(0, 1), (3, 2), (31, 16)])
def test_a_kernel_of_31_spans_a_window_of_16_frames_and_none_has_no_weights(kernel, seen):
    codes, confidences = jnp.zeros((1, 16, 2, 3)), jnp.zeros((1, 16, 4))
    style = PoseStyle(4, kernel)
    params = nn.unbox(style.init(jax.random.key(0), codes, confidences))["params"]
    assert ("temporal" in params) == (kernel > 0)
    apply = jax.jit(lambda codes: style.apply({"params": _opened(params)}, codes, confidences))
    moved = np.abs(apply(codes.at[:, 0].set(5.0)) - apply(codes)).max((0, 2)) > 0
    np.testing.assert_array_equal(moved, np.arange(16) < seen)


@pytest.mark.parametrize("kernel", [4, -1])
def test_a_kernel_without_a_middle_is_refused(kernel):
    with pytest.raises(ValueError, match=f"temporal_kernel {kernel} must be odd"):
        jax.eval_shape(MODEL.copy(temporal_kernel=kernel).init, jax.random.key(0), *_inputs())


def test_a_style_moves_things_about_and_not_only_up_and_down(params):
    """Two poses must differ by more than a constant a channel, or no limb could move."""
    codes, confidences = _inputs(1)
    fine, _ = jax.jit(MODEL.apply)({"params": _opened(params)}, codes, confidences)
    difference = fine[0, 0] - fine[1, 0]
    assert np.asarray(difference.std((0, 1))).min() > 0.01


@pytest.mark.parametrize("kernel", [3, 31])
def test_one_frame_is_enough_and_temporal_mixing_starts_at_zero(kernel):
    codes, confidences = _inputs()
    model = PoseStyle(8, kernel)
    variables = model.init(jax.random.key(0), codes, confidences)
    whole = model.apply(variables, codes, confidences)
    np.testing.assert_allclose(whole[:, 2:3], model.apply(variables, codes[:, 2:3], confidences[:, 2:3]), atol=1e-5)


def test_instance_norm():
    x = 3 + 2 * jax.random.normal(jax.random.key(0), (2, 5, 5, 3))
    y = np.asarray(instance_norm(x))
    np.testing.assert_allclose(y.mean((1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(y.std((1, 2)), 1, atol=1e-3)


def test_sizes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="latent_size"):
        MotionDecoder((8, 4), (5, 6), (4, 4), 8).init(jax.random.key(0), *_inputs(1))


def test_a_style_scales_and_shifts_the_normalised_channels():
    block = StyledBlock(3)
    rng = np.random.default_rng(0)
    x, style = (jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in ((2, 4, 4, 2), (2, 5)))
    params = block.init(jax.random.key(0), x, style)["params"]
    params = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), jnp.float32), nn.unbox(params))
    conv = nn.Conv(3, (3, 3)).apply({"params": params["conv"]}, x)
    normal = (conv - conv.mean((1, 2), keepdims=True)) / conv.std((1, 2), keepdims=True)
    scale, shift = jnp.split(style @ params["style"]["kernel"] + params["style"]["bias"], 2, axis=-1)
    expected = nn.silu(normal * (1 + scale[:, None, None]) + shift[:, None, None])
    np.testing.assert_allclose(block.apply({"params": params}, x, style), expected, atol=1e-4)
