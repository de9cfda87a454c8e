import json
import os
from pathlib import Path

import numpy as np
import pytest

from data_pipeline import pose_formats, poses
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
    opened = _sources(pose_formats.from_openpose(_numbered(137)))
    assert (opened["neck"], opened["right_hip"], opened["left_ear"]) == (1, 9, 18)
    assert (opened["left_hand_wrist"], opened["right_hand_wrist"], opened["right_hand_little_4"]) == (95, 116, 136)
    landmarks = np.concatenate([_numbered(33), np.full((33, 1), 0.5)], axis=1)
    mapped = pose_formats.from_mediapipe(landmarks, _numbered(21) + 100, _numbered(21) + 200)
    named = _sources(mapped)
    assert (named["left_elbow"], named["right_ankle"], named["neck"]) == (13, 28, 11.5)
    assert (named["left_hand_wrist"], named["right_hand_thumb_1"]) == (100, 201)
    assert mapped[INDEX["left_elbow"], 2] == pytest.approx((0.13 + 0.2) * 0.5)


def test_scores_are_clipped():
    assert pose_formats.from_wholebody(_numbered(133))[..., 2].max() == 1


def test_wholebody_takes_the_best_person_and_zeros_for_nobody(tmp_path):
    def person(score, x):
        return {"keypoints": [[x, 0.0]] * 133, "keypoint_scores": [score] * 133}

    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"instances": [person(0.3, 1), person(0.9, 2)]}, {"instances": []}]))
    clip = pose_formats.read_poses(path, height=10, width=20, fps=30)
    assert (clip.poses[0, :, 0] == 2).all() and not clip.poses[1].any()
    assert (clip.height, clip.width, clip.fps) == (10, 20, 30)
    with pytest.raises(ValueError, match="a.json: does not state its height, width, fps"):
        pose_formats.read_poses(path)


def test_wholebody_of_another_number_of_keypoints_is_refused(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"instances": [{"keypoints": [[1.0, 2.0]], "keypoint_scores": [0.5]}]}]))
    with pytest.raises(ValueError, match=r"a.json: .*expected 133 keypoints with scores, got \(1, 2\)"):
        pose_formats.read_poses(path, height=10, width=20, fps=30)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", '[{"instances": [', "Expecting value: line 1 column 17"),
        ("a.json", '{"frames": []}', 'expected a list of frames, each with "instances"'),
        ("a.json", '[{"people": []}]', 'expected a list of frames, each with "instances"'),
        ("a.json", '[{"instances": [{"keypoints": []}]}]', 'expected instances with "keypoints" and'),
        ("a.npz", "no archive", "no zip archive, as .npz files are"),
        ("a.npz", {"pose": np.zeros((2, 33, 5)), "lh": np.zeros((2, 21, 3))}, "without rh; it holds pose, lh"),
        ("a.npz", {"xy": np.zeros((2, 1, 137, 2))}, "without confidence; it holds xy"),
    ],
)
def test_a_file_of_no_layout_is_one_line_that_says_what_is_wrong(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_text(content) if isinstance(content, str) else np.savez(path, **content)
    with pytest.raises(ValueError, match=f"{name}: not a pose file of a known layout .{message}") as error:
        pose_formats.read_poses(path, 10, 20, 30)
    assert "\n" not in str(error.value)


def test_a_file_without_frames_says_so(tmp_path):
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(ValueError, match="a.json: holds no frames"):
        pose_formats.read_poses(tmp_path / "a.json")


@pytest.mark.parametrize("name", ["a.json", "a.npz", "a.txt"])
def test_other_files_are_refused_by_name(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=name):
        pose_formats.read_poses(tmp_path / name)
    (tmp_path / name).write_text("[1, 2]")
    with pytest.raises(ValueError, match=f"{name}: not a pose file"):
        pose_formats.read_poses(tmp_path / name)


def test_pickles_are_not_opened(tmp_path):
    np.savez(tmp_path / "a.npz", pose=np.array([{}], object), lh=np.zeros(1), rh=np.zeros(1))
    with pytest.raises(ValueError, match="a.npz"):
        pose_formats.read_poses(tmp_path / "a.npz")


@pytest.fixture
def folder() -> Path:
    if not os.environ.get("XDANCER_SAMPLE_DATA"):
        pytest.skip("set XDANCER_SAMPLE_DATA to the sample data")
    return Path(os.environ["XDANCER_SAMPLE_DATA"]) / "poses"


def test_real_dance(folder):
    clip = pose_formats.read_poses(folder / "conan_dancing_mediapipe.npz")
    assert clip.poses.shape == (180, 60, 3)
    assert (clip.height, clip.width, clip.fps, clip.tokens) == (360, 640, 25, None)
    for side in ("left", "right"):
        gap = clip.poses[:, INDEX[f"{side}_hand_wrist"], :2] - clip.poses[:, INDEX[f"{side}_wrist"], :2]
        assert np.median(np.linalg.norm(gap, axis=-1)) < 12
    assert (clip.poses[:, INDEX["left_ankle"], 1] > clip.poses[:, INDEX["nose"], 1]).all()
    x0, y0, x1, y1 = poses.crop_box(clip.poses, clip.height, clip.width)
    assert (y0, y1) == (0, 360) and 0 <= x0 < x1 <= 640


def test_real_detectors(folder):
    soup = pose_formats.read_poses(folder / "wholebody133_soup.json", 300, 300, 30).poses
    assert soup.shape == (41, 60, 3) and soup[..., 2].max() <= 1
    signing = pose_formats.read_poses(folder / "openpose137.npz")
    assert signing.poses.shape == (93, 60, 3) and signing.fps == 24
    assert (signing.poses[:, INDEX["left_shoulder"], 0] > signing.poses[:, INDEX["right_shoulder"], 0]).all()
