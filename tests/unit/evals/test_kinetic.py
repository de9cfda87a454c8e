import numpy as np
import pytest

from tests.unit.evals.bodies import dancer, hidden
from xdancer_jax.evals.joints import HIPS, SHOULDERS
from xdancer_jax.evals.kinetic import KINETIC_2D, KINETIC_2D_BODY, Kinetic3D, KineticFeatures


def by_hand(points, dt, legacy, w=2, horizontal=(0,), vertical=1):
    """fairmotion's kinetic features, written with its loops, for one joint's points (F, D)."""
    n = len(points)
    level = up = energy = 0.0
    for i in range(1, n):
        velocity, count = np.zeros(points.shape[1]), 0
        acceleration, hits = np.zeros(points.shape[1]), 0
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
        level, up = level + sum(velocity[axis] ** 2 for axis in horizontal), up + velocity[vertical] ** 2
        energy += np.linalg.norm(acceleration / hits)
    return np.array([level, up, energy]) / (n - 1)


@pytest.mark.parametrize("accel", ["fixed", "legacy"])
def test_features_agree_with_fairmotion_loops(accel):
    poses = dancer(0, 20)
    hips, shoulders = (poses[:, list(pair), :2].mean(axis=1) for pair in (HIPS, SHOULDERS))
    centred = (poses[..., :2] - hips[:, None]) / np.median(np.linalg.norm(shoulders - hips, axis=-1))
    expected = np.concatenate([by_hand(centred[:, j], 1 / 30, accel == "legacy") for j in range(18)])
    found = KineticFeatures(joints=tuple(range(18)), accel=accel)(poses.astype(np.float32), 30.0)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(("accel", "up"), [("legacy", "y"), ("fixed", "z")])
def test_joints_in_space_agree_with_fairmotion_loops(accel, up):
    """As Bailando calls it: 24 joints from where the root starts, 60 frames a second whatever they are."""
    points = np.cumsum(np.random.default_rng(1).normal(size=(12, 24, 3)), axis=0)
    level, vertical = ((0, 2), 1) if up == "y" else ((0, 1), 2)
    moved = points - points[0, 0]
    expected = [by_hand(moved[:, j], 1 / 60, accel == "legacy", 2, level, vertical) for j in range(24)]
    poses = np.concatenate([points, np.ones((12, 24, 1))], axis=-1)
    found = Kinetic3D(up=up, accel=accel)(poses, 30.0)
    np.testing.assert_allclose(found, np.concatenate(expected), rtol=1e-9)


def test_the_slip_measures_where_people_stand():
    points = np.cumsum(np.random.default_rng(2).normal(size=(12, 24, 3)), axis=0)
    poses, moved = (np.concatenate([p, np.ones((12, 24, 1))], axis=-1) for p in (points, points + (1, 0, 0)))
    for accel, same in (("fixed", True), ("legacy", False)):
        protocol = Kinetic3D(start="none", accel=accel)
        assert np.allclose(protocol(moved, 60), protocol(poses, 60)) == same


def test_by_hand_one_joint_at_a_steady_speed():
    """Half a torso a second to the right, nothing up, no acceleration; the torso is 0.6 long."""
    poses = dancer(0, 30, swing=0.0)
    poses[:, 4, 0] += 0.3 * np.arange(30) / 30
    np.testing.assert_allclose(KINETIC_2D(poses, 30)[12:15], [0.25, 0, 0], atol=1e-9)


def test_place_and_size_in_the_frame_do_not_count_but_speed_does():
    poses = dancer(1)
    moved = poses * [2, 2, 1] + [0.7, -0.3, 0]
    np.testing.assert_allclose(KINETIC_2D(moved, 30.0), KINETIC_2D(poses, 30.0), rtol=1e-9)
    np.testing.assert_allclose(KINETIC_2D(poses, 60)[0::3], 4 * KINETIC_2D(poses, 30.0)[0::3], rtol=1e-9)


def test_hidden_joints_are_masked_and_those_never_seen_are_not_defined():
    poses, joint = dancer(2), slice(12, 15)
    some = hidden(poses, 4, 10)
    elsewhere = some.copy()
    elsewhere[10, 4, :2] = -3
    np.testing.assert_array_equal(KINETIC_2D(some, 30.0), KINETIC_2D(elsewhere, 30.0))
    np.testing.assert_allclose(KINETIC_2D(some, 30.0)[joint], KINETIC_2D(poses, 30.0)[joint], rtol=0.2)
    features = KINETIC_2D(hidden(poses, 4), 30.0)
    assert np.isnan(features[joint]).all() and np.isfinite(np.delete(features, [12, 13, 14])).all()
    assert np.isnan(KINETIC_2D(hidden(poses, slice(None)), 30.0)).all()
    limbs = KINETIC_2D_BODY(hidden(poses, [0, *range(14, 60)]), 30.0)  # neither face nor hands
    assert limbs.shape == (39,) and np.isfinite(limbs).all()


def test_another_acceleration_is_refused():
    with pytest.raises(ValueError, match="'fixed' or 'legacy', got 'new'"):
        KineticFeatures(accel="new")
