import math

import numpy as np
import pytest

from xdancer_jax.evals.pose_error import (
    mean_pose,
    paper_groups,
    pose_error_report,
    pose_l1_half_height,
)

PARTS = {"head": (0, 1), "left_hand": (2,), "right_hand": (3,)}


def _poses():
    target = np.zeros((2, 4, 3), np.float32)
    target[..., 2] = 1
    target[1, 1, 2] = 0.2  # not visible
    predicted = target.copy()
    predicted[0, 0, :2] = (0.4, 0.2)
    predicted[1, 1, :2] = 100
    predicted[:, 2, 0] = (0.1, -0.3)
    predicted[..., 2] = 0  # predicted confidence plays no part
    return predicted, target


def test_error_by_hand():
    errors = pose_l1_half_height()(*_poses(), paper_groups(PARTS))
    head, left = 0.6 / 6, 0.4 / 4  # three visible head joints and two hand joints, two coordinates each
    assert errors["head"] == pytest.approx(head) and errors["left_hand"] == pytest.approx(left)
    assert errors["right_hand"] == 0 and errors["hands"] == pytest.approx(0.4 / 8)
    assert errors["full_body"] == pytest.approx(1.0 / 14)


def test_nothing_visible_is_nan():
    predicted, target = _poses()
    target[:, 3, 2] = 0
    assert math.isnan(pose_l1_half_height()(predicted, target, PARTS)["right_hand"])


def test_the_mean_pose_has_ratio_one():
    rng = np.random.default_rng(0)
    target = rng.uniform(size=(5, 7, 4, 3)).astype(np.float32)
    mean = mean_pose(target)
    joint = target[..., 2, :].reshape(-1, 3)
    np.testing.assert_allclose(mean[2, :2], joint[joint[:, 2] > 0.3, :2].mean(axis=0), rtol=1e-5)
    guess = np.broadcast_to(mean, target.shape).copy()
    values = pose_error_report(pose_l1_half_height(), guess, target, PARTS, mean).values
    assert values["head/ratio"] == 1
    halfway = pose_error_report(pose_l1_half_height(), (guess + target) / 2, target, PARTS, mean).values
    assert halfway["head/ratio"] == pytest.approx(0.5, rel=1e-4)


def test_photo_and_chance_by_clip():
    """Two clips of one joint: at 1, 2, 4 and at 10, 10; predictions are exact."""
    x = np.array([1.0, 2, 4, 10, 10])
    target = np.stack([x, np.zeros(5), np.ones(5)], axis=-1)[:, None].astype(np.float32)
    found = pose_error_report(pose_l1_half_height(), target, target, {"all": [0]}, np.zeros((1, 3)), [3, 2]).values
    assert found["all"] == 0
    assert found["all/repeat_photo"] == pytest.approx((0 + 1 + 3 + 0 + 0) / 5 / 2)  # over both coordinates
    assert found["all/chance"] == pytest.approx((9 + 8 + 9 + 8) / 4 / 2)
    alone = pose_error_report(pose_l1_half_height(), target, target, {"all": [0]}, np.zeros((1, 3)), [5])
    assert np.isnan(alone.values["all/chance"])
    with pytest.raises(ValueError, match="clips of 4 frames in all, there are 5 poses"):
        pose_error_report(pose_l1_half_height(), target, target, {"all": [0]}, np.zeros((1, 3)), [4])
