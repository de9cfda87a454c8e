import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import trainer
from launch.runs import build
from xdancer_jax.stages import tokenizer


def test_the_step_that_is_measured_sees_many_tokens():
    """One token, and heads of zeros, would be quicker to look up, and easier on the power budget."""
    config, weights = trainer.configured("small", batch_size=1)
    poses = jnp.asarray(np.random.default_rng(0).random((2, 64, 60, 3)), jnp.float32)
    encoder = build.pose_tokenizer(config.earlier.tokenizer)
    tokens = jax.jit(lambda extra: tokenizer.encode(encoder, extra, poses, 50))(weights["tokenizer_from"])
    assert min(len(np.unique(tokens[:, :, part])) for part in range(5)) > 20
    assert np.ptp(weights["tokenizer_from"]["extra"]["codebook"]["quantizer"]["embedding"]) > 0.1
