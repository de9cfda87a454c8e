import numpy as np
import pytest

from data_pipeline.skeleton import INDEX
from xdancer_jax.evals.diversity import Diversity, KineticFeatures, diversity_report

KINETIC = KineticFeatures(hips=(0, 1), shoulders=(2, 3))


def _dance(seed, frames=40, joints=6):
    rng = np.random.default_rng(seed)
    rest = np.array([[-0.1, 0], [0.1, 0], [-0.1, -0.5], [0.1, -0.5], [0.3, -0.2], [-0.3, -0.2]])[:joints]
    xy = rest + 0.05 * np.cumsum(rng.normal(size=(frames, joints, 2)), axis=0) / 5
    return np.concatenate([xy, np.ones((frames, joints, 1))], axis=-1).astype(np.float32)


def _by_hand(points, dt, legacy, w=2):
    """fairmotion's kinetic features, written with its loops, for one joint's points (F, 2)."""
    n = len(points)
    horizontal = vertical = energy = 0.0
    for i in range(1, n):
        velocity, count = np.zeros(2), 0
        acceleration, hits = np.zeros(2), 0
        for j in range(-w, w + 1):
            if i + j - 1 < 0 or i + j >= n:
                continue
            velocity, count = velocity + points[i + j] - points[i + j - 1], count + 1
            if i + j + 1 >= n:
                continue
            before = points[i + j] - points[i + j - 1] / dt if legacy else (points[i + j] - points[i + j - 1]) / dt
            after = (points[i + j + 1] - points[i + j]) / dt
            acceleration, hits = acceleration + (after - before) / dt, hits + 1
        velocity /= count * dt
        horizontal, vertical = horizontal + velocity[0] ** 2, vertical + velocity[1] ** 2
        energy += np.linalg.norm(acceleration / hits)
    return np.array([horizontal, vertical, energy]) / (n - 1)


@pytest.mark.parametrize("accel", ["fixed", "legacy"])
def test_features_agree_with_fairmotion_loops(accel):
    poses = _dance(0)
    hips = poses[:, :2, :2].mean(axis=1).astype(np.float64)
    torso = np.median(np.linalg.norm(poses[:, 2:4, :2].mean(axis=1) - hips, axis=-1))
    centred = (poses[..., :2].astype(np.float64) - hips[:, None]) / torso
    expected = np.concatenate([_by_hand(centred[:, j], 1 / 30, accel == "legacy") for j in range(6)])
    kinetic = KineticFeatures((0, 1), (2, 3), accel=accel)
    np.testing.assert_allclose(kinetic(poses, 30.0), expected, rtol=1e-5)


def test_place_and_size_in_the_frame_do_not_count_but_speed_does():
    poses = _dance(1)
    moved = poses * np.float32([2, 2, 1]) + np.float32([0.7, -0.3, 0])
    np.testing.assert_allclose(KINETIC(moved, 30.0), KINETIC(poses, 30.0), rtol=1e-4)
    np.testing.assert_allclose(KINETIC(poses, 60)[0::3], 4 * KINETIC(poses, 30.0)[0::3], rtol=1e-5)


def test_hidden_joints_are_masked():
    poses = _dance(2)
    garbage = poses.copy()
    garbage[10, 4] = (9, 9, 0.1)
    elsewhere = garbage.copy()
    elsewhere[10, 4, :2] = -3
    np.testing.assert_array_equal(KINETIC(garbage, 30.0), KINETIC(elsewhere, 30.0))
    others = np.r_[:12, 15:18]
    np.testing.assert_array_equal(KINETIC(garbage, 30.0)[others], KINETIC(poses, 30.0)[others])
    garbage[:, 4, 2] = 0
    features = KINETIC(garbage, 30.0)
    assert np.isnan(features[12:15]).all() and np.isfinite(np.delete(features, [12, 13, 14])).all()
    garbage[..., 2] = 0
    with pytest.raises(ValueError, match="never seen"):
        KINETIC(garbage, 30.0)


def test_diversity_by_hand():
    real = np.array([[0.0, 0.0, 5.0], [2.0, 4.0, 5.0]])  # mean (1, 2), deviation (1, 2), constant
    features = np.array([[1.0, 2.0, 7.0], [4.0, 10.0, 9.0], [1.0, np.nan, 0.0]])
    assert Diversity()(features, real) == pytest.approx((5 + 0 + 5) / 3)  # (3, 8) apart: 3 and 4 deviations
    with pytest.raises(ValueError, match="two dances"):
        Diversity()(features[:1], real)


def test_default_joints_are_those_of_the_skeleton():
    default = KineticFeatures()
    assert default.hips == (INDEX["left_hip"], INDEX["right_hip"])
    assert default.shoulders == (INDEX["left_shoulder"], INDEX["right_shoulder"])


def test_copies_have_no_diversity():
    real = [_dance(seed) for seed in range(4)]
    result = diversity_report(KINETIC, [real[0]] * 3, real, 30.0)
    assert result.values["diversity"] == 0 and result.values["ground_truth"] > 1
    assert result.constants["accel"] == "fixed" and result.constants["fps"] == 30.0
    assert np.isnan(diversity_report(KINETIC, real[:1], real, 30.0).values["diversity"])
    assert result.counts == {"motions": 3, "real": 4, "shortest": 40, "longest": 40}
