import jax
import jax.numpy as jnp
import pytest

from configs import motion
from xdancer_jax.models import flops
from xdancer_jax.models.music_gpt import MusicGPT

ROWS = 2


def _model(**changes) -> MusicGPT:
    fields = motion.get_config("small").model.to_dict() | {
        "num_layers": 1, "width": 256, "num_heads": 4, "segment_frames": 16, "remat": "none", "dropout": 0.0,
        "global_music": False,
    }
    return MusicGPT(**(fields | changes))


def _counted(model: MusicGPT) -> float:
    """FLOPs of loss and gradient, as XLA counts them."""
    ints, floats = jnp.int32, jnp.float32
    inputs = (
        jnp.zeros((ROWS, 16, 5, 6), ints), jnp.zeros((ROWS, 8, 5, 6), ints), jnp.zeros((ROWS, 8), ints),
        jnp.zeros((ROWS, 16, 35), floats), jnp.zeros((ROWS, 64, 35), floats),
    )
    params = jax.eval_shape(model.init, jax.random.key(0), *inputs)
    gradient = jax.jit(jax.grad(lambda params: jnp.mean(jnp.square(model.apply(params, *inputs)))))
    return gradient.lower(params).compile().cost_analysis()["flops"]


def test_model_flops_of_a_block_are_those_that_xla_counts():
    """With all of attention in place of its causal half they would be 1.19 times as many."""
    one, two = _model(), _model(num_layers=2)
    counted = _counted(two) - _counted(one)
    assert flops.music_gpt_step(two, ROWS) - flops.music_gpt_step(one, ROWS) == pytest.approx(counted, rel=0.06)


def test_model_flops_of_the_heads_are_those_that_xla_counts():
    small, large = _model(), _model(codebook_size=1024)
    table = 3 * 2 * 5 * 512 * small.width**2  # of the added rows of the token table, which music_gpt_step leaves out
    counted = _counted(large) - _counted(small) - table
    assert flops.music_gpt_step(large, ROWS) - flops.music_gpt_step(small, ROWS) == pytest.approx(counted, rel=0.06)
