import jax.numpy as jnp
import pytest

from xdancer_jax.train import guard
from xdancer_jax.train.guard import Guard

NAN, INF = float("nan"), float("inf")


def judge(record, norm, loss=1.0, **fields):
    good, after = guard.judge(Guard(**fields), record, (jnp.float32(loss),), jnp.float32(norm))
    return bool(good), after


@pytest.mark.parametrize(("norm", "loss"), [(NAN, 1.0), (INF, 1.0), (1.0, NAN), (1.0, -INF)])
def test_what_is_not_finite_is_bad_and_leaves_the_mean(norm, loss):
    _, record = judge(guard.begin(), 2.0)
    good, after = judge(record, norm, loss)
    assert not good and (after.norm, after.good, after.skipped) == (2.0, 1, 1)
    good, after = judge(after, NAN)
    assert not good and after.skipped == 2
    good, after = judge(after, 2.0)
    assert good and after.skipped == 0 and after.good == 2


def test_a_leap_is_bad_once_the_mean_has_settled():
    record = guard.begin()
    for step in range(100):
        good, record = judge(record, 50.0 if step == 3 else 2.0, spike=4.0)
        assert good  # norms may leap at the beginning
    mean = float(record.norm)
    assert 2.0 < mean < 50.0
    assert judge(record, 4.1 * mean, spike=4.0)[0] is False
    assert judge(record, 3.9 * mean, spike=4.0)[0] is True
    assert judge(record, 4.1 * mean)[0] is True  # spike 0
