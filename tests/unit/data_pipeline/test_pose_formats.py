import os
from pathlib import Path

import numpy as np
import pytest

from data_pipeline import pose_files, pose_formats, poses
from data_pipeline.skeleton import INDEX


def _numbered(joints: int) -> np.ndarray:
    """Joint i of the source lies at (i, 2i) with confidence i / 100 + 0.2."""
    i = np.arange(joints)[:, None]
    return np.concatenate([i, 2 * i, i / 100 + 0.2], axis=1)


def _sources(pose: np.ndarray) -> dict[str, float]:
    return {name: float(pose[index, 0]) for name, index in INDEX.items()}


def test_each_layout_lands_on_the_right_joints():
    whole = _sources(pose_formats.from_wholebody(_numbered(133)))
    assert (whole["right_wrist"], whole["left_ankle"], whole["right_eye"]) == (10, 15, 2)
    assert (whole["neck"], whole["left_hand_wrist"], whole["right_hand_little_4"]) == (5.5, 91, 132)
    landmarks = np.concatenate([_numbered(33), np.full((33, 1), 0.5)], axis=1)
    mapped = pose_formats.from_mediapipe(landmarks, _numbered(21) + 100, _numbered(21) + 200)
    named = _sources(mapped)
    assert (named["left_elbow"], named["right_ankle"], named["neck"]) == (13, 28, 11.5)
    assert (named["left_hand_wrist"], named["right_hand_thumb_1"]) == (100, 201)
    assert mapped[INDEX["left_elbow"], 2] == pytest.approx((0.13 + 0.2) * 0.5)


def test_openposes_parts_and_smaller_bodies_land_on_the_same_joints():
    body25 = np.concatenate([_numbered(8), _numbered(19)[9:] * (1, 1, 1)])
    body25 = np.insert(body25, 8, (-7, -7, 1), axis=0)  # the middle of the hips, which we have not
    body25 = np.concatenate([body25, np.full((6, 3), -9)])  # feet
    whole = pose_formats.from_openpose_parts(body25, _numbered(21) + 100, None)
    named = _sources(whole)
    assert (named["neck"], named["left_wrist"], named["right_hip"], named["left_ear"]) == (1, 7, 9, 18)
    assert named["left_hand_wrist"] == 100 and np.isnan(named["right_hand_wrist"]) and whole[39:, 2].max() == 0
    eighteen = _sources(pose_formats.from_openpose_parts(_numbered(18), None, _numbered(21) + 200))
    assert (eighteen["right_hip"], eighteen["left_ear"], eighteen["right_hand_little_4"]) == (8, 17, 220)
    coco = pose_formats.from_wholebody(_numbered(17))
    assert _sources(coco)["left_ankle"] == 15 and np.isnan(coco[18:, :2]).all() and coco[18:, 2].max() == 0


def test_a_neck_between_shoulders_of_which_one_is_unseen_is_unseen():
    keypoints = _numbered(133)
    keypoints[5] = np.nan, np.nan, 0
    neck = pose_formats.from_wholebody(keypoints)[INDEX["neck"]]
    assert np.isnan(neck[:2]).all() and neck[2] == 0


def test_scores_are_clipped():
    assert pose_formats.from_wholebody(_numbered(133))[..., 2].max() == 1


@pytest.fixture
def folder() -> Path:
    if not os.environ.get("XDANCER_SAMPLE_DATA"):
        pytest.skip("set XDANCER_SAMPLE_DATA to the sample data")
    return Path(os.environ["XDANCER_SAMPLE_DATA"]) / "poses"


def test_real_dance(folder):
    clip = pose_files.load_poses(folder / "conan_dancing_mediapipe.npz")
    assert clip.poses.shape == (180, 60, 3)
    assert (clip.height, clip.width, clip.tokens, clip.lost) == (360, 640, None, 0)
    np.testing.assert_allclose(clip.times, np.arange(180) / 25)
    for side in ("left", "right"):
        gap = clip.poses[:, INDEX[f"{side}_hand_wrist"], :2] - clip.poses[:, INDEX[f"{side}_wrist"], :2]
        assert np.median(np.linalg.norm(gap, axis=-1)) < 12
    assert (clip.poses[:, INDEX["left_ankle"], 1] > clip.poses[:, INDEX["nose"], 1]).all()
    x0, y0, x1, y1 = poses.crop_box(clip.poses, clip.height, clip.width)
    assert (y0, y1) == (0, 360) and 0 <= x0 < x1 <= 640


def test_real_detectors(folder):
    soup = pose_files.load_poses(folder / "wholebody133_soup.json", 300, 300, 30).poses
    assert soup.shape == (41, 60, 3) and soup[..., 2].max() <= 1
    signing = pose_files.load_poses(folder / "openpose137.npz")
    assert signing.poses.shape == (93, 60, 3) and signing.times[-1] == pytest.approx(92 / 24)
    assert (signing.poses[:, INDEX["left_shoulder"], 0] > signing.poses[:, INDEX["right_shoulder"], 0]).all()
