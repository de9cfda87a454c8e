import jax
import jax.numpy as jnp
import pytest

from benchmarks import trainer
from configs import motion
from xdancer_jax.models.music_gpt import MusicGPT


def test_model_flops_are_those_that_xla_counts():
    """Of a model in which matrix products are nearly all that there is to count."""
    fields = motion.get_config("small").model.to_dict() | {
        "num_layers": 2, "width": 256, "num_heads": 4, "segment_frames": 16, "remat": "none", "dropout": 0.0,
        "global_music": False,
    }
    model = MusicGPT(**fields)
    ints, floats = jnp.int32, jnp.float32
    inputs = (
        jnp.zeros((2, 16, 5, 6), ints), jnp.zeros((2, 8, 5, 6), ints), jnp.zeros((2, 8), ints),
        jnp.zeros((2, 16, 35), floats), jnp.zeros((2, 64, 35), floats),
    )
    params = jax.eval_shape(model.init, jax.random.key(0), *inputs)
    gradient = jax.jit(jax.grad(lambda params: jnp.mean(jnp.square(model.apply(params, *inputs)))))
    counted = gradient.lower(params).compile().cost_analysis()["flops"]
    assert trainer.model_flops(model, 2) == pytest.approx(counted, rel=0.15)
