import jax
import numpy as np

from xdancer_jax import rng


def test_streams_are_fixed_by_name_and_differ():
    key = jax.random.key(0)
    draws = [jax.random.bits(rng.stream(key, name)) for name in ("noise", "noise", "dropout")]
    assert draws[0] == draws[1] != draws[2]
    # Written down: another hash would change every run.
    np.testing.assert_array_equal(
        jax.random.key_data(rng.stream(key, "noise")), jax.random.key_data(jax.random.fold_in(key, 0xFDA99629))
    )


def test_at_step_agrees_inside_and_outside_jit_and_differs_by_step():
    key = jax.random.key(1)
    inside = jax.jit(lambda key, step: jax.random.bits(rng.at_step(key, "train", step)))
    assert inside(key, 7) == jax.random.bits(rng.at_step(key, "train", 7)) != inside(key, 8)
