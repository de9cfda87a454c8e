import numpy as np
import pytest

from data_pipeline.skeleton import BODY_JOINTS, INDEX, PARTS
from xdancer_jax.evals import joints
from xdancer_jax.evals.motion_set import MotionSet, repeat_photo, shuffled, torso_scaled


def _motion(frames=6, count=60):
    rng = np.random.default_rng(frames)
    return np.concatenate([rng.normal(size=(frames, count, 2)), np.ones((frames, count, 1))], axis=-1)


def test_joints_are_those_of_the_skeleton():
    assert joints.BODY == BODY_JOINTS
    assert tuple(sorted(PARTS["upper_body"] + PARTS["lower_body"])) == joints.BODY_INDICES
    assert (INDEX["left_hip"], INDEX["right_hip"]) == joints.HIPS
    assert (INDEX["left_shoulder"], INDEX["right_shoulder"]) == joints.SHOULDERS


def test_rows_to_compare_with():
    motions = MotionSet([_motion(6), _motion(9)], 30.0)
    assert motions.names == ("0", "1") and motions.lengths == {"shortest": 6, "longest": 9, "frames": 15}
    poses = motions.poses[1]
    np.testing.assert_array_equal(repeat_photo()(poses), np.broadcast_to(poses[0], poses.shape))
    assert repeat_photo(4)(poses).shape == (4, 60, 3)
    mixed = shuffled(3)(poses)
    assert not np.array_equal(mixed, poses) and not np.array_equal(mixed, shuffled(4)(poses))
    np.testing.assert_array_equal(np.sort(mixed, axis=0), np.sort(poses, axis=0))
    np.testing.assert_array_equal(mixed, shuffled(3)(poses))


def test_bad_motions_are_one_line():
    broken = _motion()
    broken[2:4, 5, 0] = np.nan
    for poses, fps, names, match in (
        ([], 30, (), "there are none"),
        ([_motion()], 0, (), "fps is 0"),
        ([_motion()], np.nan, (), "fps is nan"),
        ([_motion(), _motion(count=18)], 30, ("a", "b"), "motion 'b'.*expected"),
        ([_motion(), broken], 30, ("a", "b"), "motion 'b': joints are not finite in 2 of 6 frames"),
        ([_motion()], 30, ("a", "b"), "2 names for 1"),
    ):
        with pytest.raises(ValueError, match=match):
            MotionSet(poses, fps, names)
    broken[2:4, 5, 2] = 0
    MotionSet([broken], 30.0)  # unseen joints have no place


def test_torso_lengths_are_the_median_of_frames_that_show_the_torso():
    poses = _motion(5)
    points, middle = torso_scaled(poses, 0.3)
    hips, shoulders = (points[:, list(pair)].mean(axis=1) for pair in (joints.HIPS, joints.SHOULDERS))
    assert np.median(np.linalg.norm(hips - shoulders, axis=-1)) == pytest.approx(1)
    np.testing.assert_allclose(middle, hips)
    some, _ = torso_scaled(poses, 0.3, (4, 7))
    np.testing.assert_allclose(some, points[:, [4, 7]])
    poses[0, joints.HIPS[0], 2] = 0
    assert np.isnan(torso_scaled(poses, 0.3)[0][0, joints.HIPS[0]]).all()
    poses[:, joints.HIPS[0], 2] = 0
    assert np.isnan(torso_scaled(poses, 0.3)[0]).all()
