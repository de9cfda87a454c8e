import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.measures import memory


def test_growth_is_seen_though_it_is_gone_at_the_end():
    with memory.watched() as grown:
        held = np.ones(20_000_000)
        assert grown() > 0.9 * held.nbytes
        del held
        assert grown() > 0.9 * 160e6


def test_what_is_held_is_this_process_shards():
    tree = {"a": jnp.ones((4, 8)), "b": jnp.ones(3), "key": jax.random.key(0)}
    own, largest = memory.held(tree)
    assert largest == 128 and 128 + 12 < own < 128 + 12 + 32
    assert memory.ratio(260, 140, 60) == pytest.approx(1.3)
