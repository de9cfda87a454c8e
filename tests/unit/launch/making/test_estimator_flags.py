import numpy as np
import pytest

from data_pipeline import pose_estimation, pose_files, pose_weights, rtm_estimation, video_files
from data_pipeline.preparation import estimators
from tests import command_line


class Stub:
    """Somebody at (20, 10) in every frame."""

    made: list = []

    def __init__(self, *given):
        self.made.append(given)

    def video(self, frames):
        yield from (np.tile(np.float32((20, 10, 0.9)), (60, 1)) for _ in frames)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """launch.estimate_poses over a short video with these flags; what the estimator was made of."""
    video_files.write_video(tmp_path / "v.mp4", np.zeros((3, 32, 64, 3), np.uint8), 25)
    monkeypatch.setattr(Stub, "made", [])
    estimators.estimator.cache_clear()
    monkeypatch.setattr(rtm_estimation, "RtmEstimator", Stub)
    monkeypatch.setattr(pose_estimation, "MediaPipeEstimator", Stub)
    monkeypatch.setattr(pose_weights, "find_weights", lambda folder: (f"{folder}/pose", f"{folder}/hand"))

    def run(*given):
        done = command_line.run("launch.estimate_poses", f"--video={tmp_path}/v.mp4", f"--out={tmp_path}/p.npz", *given)
        return done, Stub.made

    yield run
    estimators.estimator.cache_clear()


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ((), ("None/pose", "None/hand")), (("--pose_weights=w",), ("w/pose", "w/hand")),
        (("--estimator=rtm", "--pose_model=a.onnx"), ("a.onnx", None)),
        (("--estimator=rtm", "--pose_model=a.onnx", "--detector=b.onnx"), ("a.onnx", "b.onnx")),
    ],
)  # fmt: skip
def test_the_estimator_is_the_one_that_the_flags_say(run, tmp_path, given, made):
    done, estimators = run(*given)
    assert done.returncode == 0 and "a person in 3 of 3 frames" in done.stdout, done.stderr
    assert estimators == [made] and pose_files.load_poses(tmp_path / "p.npz").poses[0, 0].tolist()[:2] == [20, 10]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--estimator=rtm",), "--estimator=rtm takes --pose_model FILE.onnx"),
        (("--estimator=rtm", "--pose_model=a", "--pose_weights=w"), "no --pose_weights"),
        (("--pose_model=a.onnx",), "go with --estimator=rtm"), (("--detector=a.onnx",), "go with --estimator=rtm"),
    ],
)  # fmt: skip
def test_flags_of_the_other_kind_are_refused(run, given, message):
    done, estimators = run(*given)
    assert done.returncode == 1 and message in done.stderr and estimators == []
