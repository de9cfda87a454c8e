import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.nn.temporal import MotionModule

FRAMES = 3


@pytest.fixture(scope="module")
def setup(random_params):
    x = jax.random.normal(jax.random.key(0), (2 * FRAMES, 2, 2, 8))
    module = MotionModule(FRAMES, heads=2, max_frames=4, norm_groups=2)
    params = random_params(module, x)
    params["params"]["temporal_transformer"]["proj_out"] = {"kernel": jnp.eye(8), "bias": jnp.zeros(8)}
    return jax.jit(module.apply), params, x


def test_starts_as_identity(setup):
    _, _, x = setup
    y, _ = MotionModule(FRAMES, heads=2, max_frames=4, norm_groups=2).init_with_output(jax.random.key(1), x)
    np.testing.assert_array_equal(y, x)


def test_mixes_frames_of_a_clip_only(setup):
    apply, params, x = setup
    moved = apply(params, x.at[0, 0, 0, 0].add(3.0)) - apply(params, x)
    assert jnp.abs(moved[1:FRAMES, 0, 0]).max() > 1e-3
    np.testing.assert_array_equal(moved[FRAMES:], 0.0)


def test_order_of_frames_matters(setup):
    apply, params, x = setup
    order = jnp.array([2, 1, 0, 5, 4, 3])
    assert jnp.abs(apply(params, x[order])[order] - apply(params, x)).max() > 1e-3


def test_too_many_frames():
    with pytest.raises(ValueError, match="temporal_max_frames is 4"):
        jax.eval_shape(
            MotionModule(5, heads=2, max_frames=4, norm_groups=2).init, jax.random.key(0), jnp.zeros((5, 1, 1, 8))
        )
