import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import training_step
from launch import stages
from xdancer_jax.boxes import unbox
from xdancer_jax.stages import tokenizer


def test_the_step_that_is_measured_sees_many_tokens():
    """One token, and heads of zeros, would be quicker to look up, and easier on the power budget."""
    config = training_step.configured("small", batch_size=1)
    encoder = stages.find("motion").modules(config)["tokenizer"]
    weights = unbox(jax.jit(lambda key: encoder.init(key, jnp.zeros((1, 1, 60, 3))))(jax.random.key(0)))
    poses = jnp.asarray(np.random.default_rng(0).random((2, 64, 60, 3)), jnp.float32)
    tokens = jax.jit(lambda weights: tokenizer.encode(encoder, weights, poses, 50))(weights)
    assert min(len(np.unique(tokens[:, :, part])) for part in range(5)) > 20
    assert np.ptp(weights["codebook"]["quantizer"]["embedding"]) > 0.1
