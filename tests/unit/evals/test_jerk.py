import numpy as np
import pytest

from tests.unit.evals.bodies import dancer, hidden
from xdancer_jax.evals.jerk import Jerk, jerk_report
from xdancer_jax.evals.motion_set import MotionSet


def test_by_hand():
    """One joint on t^3 half heights to the right: 6 / s^3, over a torso of 0.6, in one of 13 joints."""
    poses = dancer(0, 20, swing=0.0)
    poses[:, 4, 0] += (np.arange(20) / 30) ** 3
    assert Jerk()(poses, 30)[0] == pytest.approx(6 / 0.6 / 13)
    assert Jerk(joints=(4,))(hidden(poses, 4, slice(9, 10)), 30)[0] == pytest.approx(10)
    assert np.isnan(Jerk(joints=(4,))(hidden(poses, 4, slice(0, 20, 4)), 30)).all()


def test_a_report_stands_beside_the_real_motions():
    real = MotionSet([dancer(i) for i in range(6)], 30.0)
    noise = np.random.default_rng(0).normal(0, 0.01, real.poses[0].shape) * (1, 1, 0)
    shaken = MotionSet([poses + noise for poses in real.poses], 30.0)
    values = jerk_report(Jerk(), shaken, real).values
    assert values["ratio"] > 5 and values["ground_truth"] < values["jerk"] < values["chance"]
    assert values["repeat_photo"] == 0 and values["low"] < values["jerk"] < values["high"]
    gone = MotionSet([hidden(dancer(0), slice(None)), dancer(1)[:3]], 30.0, ["gone", "brief"])
    found = jerk_report(Jerk(), gone, real)
    assert np.isnan(found.values["jerk"]) and found.counts["left_out"] == 2
    assert "gone" in found.notes[0] and "brief" in found.notes[1]
