import numpy as np
import pytest

from data_pipeline import smpl
from data_pipeline.skeleton import INDEX, JOINTS


def _numbered(count):
    return np.arange(count, dtype=float)[None, :, None].repeat(3, axis=2)


def _sources(ours):
    return {name: value for name, value in zip(JOINTS, ours[0, :, 0], strict=True) if not np.isnan(value)}


def test_bodies_of_every_size_land_on_the_right_joints():
    for count in smpl.COUNTS:
        named = _sources(smpl.from_smpl(_numbered(count)))
        assert (named["left_shoulder"], named["right_wrist"], named["left_hip"], named["right_ankle"]) == (16, 21, 1, 8)
        assert named["neck"] == 16.5
    assert len(_sources(smpl.from_smpl(_numbered(24)))) == 13


@pytest.mark.parametrize(("count", "hand"), [(52, 22), (73, 22), (55, 25), (76, 25), (127, 25), (144, 25)])
def test_fingers_land_on_the_right_joints(count, hand):
    named = _sources(smpl.from_smpl(_numbered(count)))
    assert (named["left_hand_wrist"], named["right_hand_wrist"]) == (20, 21)
    assert (named["left_hand_index_1"], named["left_hand_little_3"]) == (hand, hand + 8)
    assert (named["left_hand_thumb_1"], named["right_hand_thumb_3"]) == (hand + 12, hand + 29)
    assert ("left_hand_thumb_4" in named) == (count > 55)


def test_smplx_with_its_face_and_fingertips():
    """As SMPLify-X maps them to OpenPose."""
    named = _sources(smpl.from_smpl(_numbered(127)))
    head = [named[name] for name in ("nose", "right_eye", "left_eye", "right_ear", "left_ear")]
    assert head == [55, 56, 57, 58, 59]
    order = [f"{f}_{k}" for f in ("thumb", "index", "middle", "ring", "little") for k in range(1, 5)]
    left = [20, 37, 38, 39, 66, 25, 26, 27, 67, 28, 29, 30, 68, 34, 35, 36, 69, 31, 32, 33, 70]
    right = [21, 52, 53, 54, 71, 40, 41, 42, 72, 43, 44, 45, 73, 49, 50, 51, 74, 46, 47, 48, 75]
    for side, wanted in (("left", left), ("right", right)):
        assert [named[f"{side}_hand_{name}"] for name in ("wrist", *order)] == wanted


def test_the_rest_pose_is_the_known_one():
    joints = smpl.positions(np.zeros((1, 24, 3)), np.zeros((1, 3)))[0]
    for joint, place in {
        7: (0.08724, -0.89562, -0.04706), 10: (0.12830, -0.95591, 0.07499), 15: (0.00339, 0.61897, 0.00823),
        20: (0.72233, 0.47465, -0.07698), 21: (-0.71875, 0.47014, -0.07818),
    }.items():  # fmt: skip
        np.testing.assert_allclose(joints[joint], place, atol=2e-5)


def test_rotations_turn_what_hangs_on_a_joint_about_its_parents_axes():
    rotations = np.zeros((2, 22, 3))
    rotations[1, 0] = 0, np.pi / 2, 0  # the whole body to its left
    rotations[1, 18] = 0, 0, np.pi / 2  # the left forearm up
    rest, turned = smpl.positions(rotations, np.array([[0, 0, 0], [1, 2, 3.0]]))
    arm, forearm = rest[18] - rest[16], rest[20] - rest[18]
    np.testing.assert_allclose(turned[18] - turned[16], (arm[2], arm[1], -arm[0]), atol=1e-12)
    lifted = np.array((-forearm[1], forearm[0], forearm[2]))
    np.testing.assert_allclose(turned[20] - turned[18], (lifted[2], lifted[1], -lifted[0]), atol=1e-12)
    np.testing.assert_allclose(turned[0], (1, 2, 3))


def test_names_that_are_missing_are_nan():
    ours = smpl.from_named(_numbered(3), {"nose": 2, "left_shoulder": 1})
    assert ours[0, INDEX["nose"], 1] == 2 and np.isnan(ours[0, INDEX["neck"]]).all()
    assert np.isnan(ours).all(axis=-1).sum() == 58
