import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from data_pipeline.pose_estimation import MediaPipeEstimator, NoPersonError, estimate_file
from data_pipeline.skeleton import INDEX, LEFT_HAND_START, PARTS, RIGHT_HAND_START
from data_pipeline.video_files import Frame, iter_video

COCO = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip
FRAME = np.zeros((200, 200, 3), np.uint8)


def _body():
    """A figure that faces the camera: its left arm is on the right of the picture, hands 40 px below the elbows."""
    body = np.ones((33, 4), np.float32)
    body[:, :2] = 100
    body[[11, 12], :2] = (120, 60), (80, 60)
    body[[23, 24], :2] = (115, 120), (85, 120)
    for x, elbow, wrist, little, index in ((140, 13, 15, 17, 19), (60, 14, 16, 18, 20)):
        body[[elbow, wrist, little, index], :2] = (x, 80), (x, 120), (x - 4, 130), (x + 4, 130)
    return body


def _hand(x, score=0.9):
    hand = np.full((21, 3), score, np.float32)
    hand[:, :2] = np.stack([x + np.linspace(-6, 6, 21), np.linspace(120, 140, 21)], axis=-1)
    hand[[0, 5, 17], :2] = (x, 120), (x + 4, 130), (x - 4, 130)
    return hand


@pytest.fixture
def estimator(monkeypatch):
    """An estimator without models: `near` says what is seen around each wrist."""
    made = object.__new__(MediaPipeEstimator)
    made.near = {"left": [], "right": []}
    monkeypatch.setattr(MediaPipeEstimator, "_hands_near", lambda self, frame, body, side: self.near[side])
    return made


def test_a_hand_goes_to_the_wrist_it_hangs_on_whichever_crop_showed_it(estimator):
    estimator.near = {"left": [_hand(60, 0.7), _hand(141, 0.8)], "right": []}
    pose = estimator._pose(FRAME, _body())
    np.testing.assert_allclose(pose[LEFT_HAND_START], (141, 120, 0.8))
    np.testing.assert_allclose(pose[RIGHT_HAND_START], (60, 120, 0.7))


def test_one_hand_is_never_given_to_both_sides(estimator):
    body = _body()
    body[[14, 16, 18, 20], :2] += (72, 0)  # the wrists meet
    estimator.near = {"left": [_hand(139)], "right": [_hand(138.5)]}
    hands = estimator._find_hands(FRAME, body)
    assert hands["left"] is not None and hands["right"] is None


def test_a_hand_far_from_its_wrist_is_refused_and_a_missing_hand_lies_at_the_wrist(estimator):
    estimator.near = {"left": [_hand(100)], "right": []}
    pose = estimator._pose(FRAME, _body())
    np.testing.assert_allclose(pose[list(PARTS["left_hand"])], np.tile((140, 120, 0), (21, 1)))
    np.testing.assert_allclose(pose[list(PARTS["right_hand"])], np.tile((60, 120, 0), (21, 1)))


def test_joints_outside_the_frame_have_no_confidence(estimator):
    body = _body()
    body[25, :2] = (100, 201)
    pose = estimator._pose(FRAME, body)
    assert pose[INDEX["left_knee"], 2] == 0 and pose[INDEX["right_knee"], 2] == 1


def test_without_mediapipe_the_error_says_what_to_do(monkeypatch, tmp_path):
    task = tmp_path / "x.task"
    task.write_bytes(b"")
    monkeypatch.setitem(sys.modules, "mediapipe.tasks.python", None)
    with pytest.raises(ImportError, match=r"pip install -e '.\[pose\]' in the checkout, or give --pose FILE"):
        MediaPipeEstimator(task, task)
    with pytest.raises(FileNotFoundError, match="no model bundle at .*y.task"):
        MediaPipeEstimator(tmp_path / "y.task", task)


@pytest.fixture(scope="module")
def samples():
    if "XDANCER_SAMPLE_DATA" not in os.environ:
        pytest.skip("set XDANCER_SAMPLE_DATA to a folder of sample data to run on real pictures")
    pytest.importorskip("mediapipe")
    return Path(os.environ["XDANCER_SAMPLE_DATA"])


@pytest.fixture(scope="module")
def real(samples):
    return MediaPipeEstimator(samples / "weights/pose_landmarker.task", samples / "weights/hand_landmarker.task")


def test_a_photo_agrees_with_its_annotation(samples, real, capfd):
    annotation = json.loads((samples / "images/coco_785.coco17.json").read_text())["annotations"][0]
    truth = np.array(annotation["keypoints"]).reshape(17, 3)
    frame, pose = estimate_file(real, samples / "images/coco_785.jpg")
    assert frame.shape == (425, 640, 3) and pose.shape == (60, 3) and pose.dtype == np.float32
    found = pose[[INDEX[name] for name in COCO]]
    error = np.linalg.norm(found[:, :2] - truth[:, :2], axis=-1)[truth[:, 2] > 0]
    assert error.mean() < 0.04 * annotation["bbox"][3]
    assert capfd.readouterr().err == ""


def test_what_is_out_of_the_picture_has_low_confidence(samples, real):
    _, pose = estimate_file(real, samples / "images/wan22_portrait.png")
    assert pose[list(PARTS["head"]), 2].min() > 0.9 and pose[list(PARTS["lower_body"]), 2].max() < 0.1


def test_no_person_is_an_error_that_names_the_file(samples, real, tmp_path):
    from PIL import Image

    path = tmp_path / "wall.png"
    Image.open(samples / "images/conan_dancer_still.png").crop((0, 0, 500, 1069)).save(path)
    with pytest.raises(NoPersonError, match=r"no person found in .*wall.png \(best confidence 0\.\d\d < 0.5\)"):
        estimate_file(real, path)


def test_a_video_keeps_its_time_and_its_sides(samples, real):
    """Frames 108 to 119 show both palms; a hand that hangs edge-on, as the left one in frames 0 to 23, is not found."""
    frames = list(iter_video(samples / "video/conan_dancing.mov"))[108:120]
    frames.insert(6, Frame(0, np.zeros_like(frames[0].picture)))
    timed = (Frame(i / 25, frame.picture) for i, frame in enumerate(frames))
    poses = np.stack(list(real.video(timed)))
    reference = np.load(samples / "poses/conan_dancing_mediapipe.npz")["pose"][108:120]
    assert poses.shape == (13, 60, 3) and not poses[6].any()
    poses = np.delete(poses, 6, axis=0)
    for name, index in (("left_wrist", 15), ("right_wrist", 16), ("left_ankle", 27), ("right_ankle", 28)):
        assert np.median(np.linalg.norm(poses[:, INDEX[name], :2] - reference[:, index, :2], axis=-1)) < 8
    assert (poses[:, LEFT_HAND_START, 2] > 0).mean() > 0.75 and (poses[:, RIGHT_HAND_START, 2] > 0).mean() > 0.75


def test_everyone_in_a_picture_is_counted(samples, real):
    frames = [frame.picture for frame in iter_video(samples / "video/conan_dancing.mov")]
    left, right = frames[12][:, 150:450], frames[150][:, 150:450]
    both = real.everyone(np.concatenate([left, right], axis=1))
    assert len(both) == 2 and all(pose.shape == (60, 3) and pose.dtype == np.float32 for pose in both)
    [one] = real.everyone(left)
    nearest = min(both, key=lambda pose: pose[INDEX["neck"], 0])
    np.testing.assert_allclose(nearest[:18, :2], one[:18, :2], atol=15)
    assert np.isnan(one[18:, :2]).all() and not one[18:, 2].any() and one[INDEX["neck"], 2] > 0.9
    assert real.everyone(np.zeros_like(left)) == []


def test_the_estimator_says_which_it_is(real):
    from importlib.metadata import version

    assert real.name == "mediapipe"
    assert re.fullmatch(
        rf"mediapipe {re.escape(version('mediapipe'))}, pose_landmarker.task [0-9a-f]{{12}}, "
        r"hand_landmarker.task [0-9a-f]{12}", real.version
    )
