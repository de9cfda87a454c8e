import importlib.util

import av
import numpy as np
import pytest
import tensorboardX

from data_pipeline import pose_weights, video_files
from launch.checks import tools
from launch.checks.findings import FAIL, OK, WARN


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """Where temporary files go; it must be empty in the end."""
    monkeypatch.setattr(tools.tempfile, "tempdir", str(tmp_path))
    yield
    assert list(tmp_path.iterdir()) == []


def test_a_clip_goes_there_and_back():
    assert tools.video().found == f"8 frames encoded and decoded by PyAV {av.__version__}"


def _lost(path):
    return iter([video_files.Frame(0.0, np.zeros((64, 64, 3), np.uint8))])


def _others(path):
    return (video_files.Frame(0.0, np.full((64, 64, 3), 255, np.uint8)) for _ in range(8))


@pytest.mark.parametrize("iter_video", [_lost, _others])
def test_frames_that_are_lost_or_others_fail(monkeypatch, iter_video):
    monkeypatch.setattr(video_files, "iter_video", iter_video)
    assert tools.video().state == FAIL


def test_an_encoder_that_is_not_there_fails(monkeypatch):
    def refuse(path, frames):
        raise av.error.EncoderNotFoundError(1, "Encoder not found")

    monkeypatch.setattr(video_files, "write_video", refuse)
    found = tools.video()
    assert found.state == FAIL and "Encoder not found" in found.found


def test_a_scalar_is_written():
    assert tools.tensorboard().state == OK


def test_a_scalar_that_is_not_in_the_file_fails(monkeypatch):
    monkeypatch.setattr(tensorboardX.SummaryWriter, "add_scalar", lambda *given: None)
    assert tools.tensorboard().state == FAIL


@pytest.mark.parametrize("check", [tools.video, tools.tensorboard])
def test_temporary_files_that_cannot_be_written_are_an_error(monkeypatch, check):
    monkeypatch.setattr(tools.tempfile, "tempdir", "/proc/none")
    with pytest.raises(OSError):
        check()


@pytest.fixture
def estimator(monkeypatch, tmp_path_factory):
    """Home directory of a machine that has MediaPipe."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(pose_weights.Path, "home", lambda: home)
    monkeypatch.delenv(pose_weights.ENV, raising=False)
    monkeypatch.setattr(pose_weights.urllib.request, "urlopen", None)  # nothing is downloaded
    return home


def test_pose_weights_that_are_not_there_yet(estimator):
    found = tools.pose_weights()
    assert found.state == OK and "downloaded once" in found.found and found.found.count(".task") == 2


def test_pose_weights_that_are_there(estimator):
    cache = estimator / ".cache" / "xdancer_jax"
    cache.mkdir(parents=True)
    for name in ("pose_landmarker_full.task", "hand_landmarker.task"):
        (cache / name).write_text("x")
    assert tools.pose_weights().found == str(cache)


def test_a_folder_that_lacks_them_is_a_warning(estimator, monkeypatch):
    monkeypatch.setenv(pose_weights.ENV, str(estimator))
    found = tools.pose_weights()
    assert found.state == WARN and "has no" in found.found and pose_weights.ENV in found.remedy


def test_without_the_estimator_nobody_needs_them(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert tools.pose_weights() is None
