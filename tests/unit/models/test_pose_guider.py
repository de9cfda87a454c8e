import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from xdancer_jax.models.pose_guider import PoseGuider

MODEL = PoseGuider(block_out_channels=(8, 4, 4), channels=(2, 3, 4))


def test_two_halvings_one_entry_a_level_and_zero_at_first():
    images = jax.random.uniform(jax.random.key(0), (2, 3, 16, 8, 3))
    residuals, variables = jax.jit(MODEL.init_with_output)(jax.random.key(1), images)
    assert residuals[0].shape == (2, 3, 4, 2, 8) and residuals[1:] == (None, None)
    assert (np.asarray(residuals[0]) == 0).all()
    assert sorted(variables["params"]) == sorted(
        ["conv_in", "block_0_conv", "block_0_down", "block_1_conv", "block_1_down", "conv_out"]
    )


def test_a_drawn_dot_acts_where_it_is():
    images = jnp.zeros((1, 1, 32, 32, 3))
    params = nn.meta.unbox(MODEL.init(jax.random.key(1), images))["params"]
    params["conv_out"]["kernel"] = jnp.ones_like(params["conv_out"]["kernel"])
    apply = jax.jit(lambda x: MODEL.apply({"params": params}, x)[0])
    difference = np.abs(np.asarray(apply(images.at[0, 0, 28, 4].set(1.0)) - apply(images)))[0, 0].sum(-1)
    assert difference[6:, :3].max() > 0 and difference[:4].max() == 0 and difference[:, 5:].max() == 0
