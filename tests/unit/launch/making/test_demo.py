"""What the demo makes, by small runs of random weights; and what it says where something is missing."""

import hashlib

import numpy as np
import pytest

from data_pipeline import pose_files, video_files
from launch.making import demo
from launch.runs import loading, shipped
from tests import command_line, small_app


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return demo.load(small_app.pair(tmp_path_factory.mktemp("runs")))


def test_a_drawn_dancer_dances(model, tmp_path):
    made = demo.make(model, tmp_path, 1.0, 0)
    assert [path.name for path in made] == ["dance.mp4", "dance_poses.npz", "dance_skeleton.mp4", "dance.webp"]
    assert {"hiphop.png", "hiphop.npz", "hiphop.wav"} <= {path.name for path in tmp_path.iterdir()}
    frames = list(video_files.iter_video(made[0]))
    assert len(frames) == 30 and frames[0].picture.shape == (*small_app.SIZE, 3)
    again = demo.make(model, tmp_path, 1.0, 0)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in made]


def test_yours_is_the_photo_and_a_skeleton(model, tmp_path):
    photo, pose, song = small_app.files(tmp_path).values()
    yours = demo.read(model, str(photo), str(song), str(pose), small_app.nobody)
    video, poses = demo.make_yours(model, yours, tmp_path, 1.0, 0)
    height, width = (2 * side for side in small_app.SIZE)
    assert next(iter(video_files.iter_video(video))).picture.shape == (height, 2 * width, 3)
    found = pose_files.load_poses(poses)
    assert found.poses.shape == (30, 60, 3) and found.tokens is not None


def test_where_no_estimator_is_at_hand_the_way_out_is_named(model, tmp_path):
    photo, _, song = small_app.files(tmp_path).values()

    def offline():
        raise ConnectionError("cannot download pose_landmarker_full.task")

    with pytest.raises(ConnectionError, match=r"or give the photo's pose by --pose \(make demo POSE=FILE\)"):
        demo.read(model, str(photo), str(song), None, offline)


def test_a_photo_without_a_song_is_one_line(tmp_path):
    done = command_line.run("launch.demo", "--photo=p.png", f"--out={tmp_path}/out")
    assert done.returncode == 1 and "--photo and --song go together" in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_installation_without_the_model_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped.resources, "files", lambda package: tmp_path)
    with pytest.raises(ValueError, match="lacks the model that comes with the project; install it again"):
        shipped.folder()


def test_the_model_that_comes_with_the_project_is_small_and_whole():
    files = [path for path in shipped.folder().rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 30e6
    weights = {path.parent.name: path for path in files if path.name == "weights.safetensors"}
    assert weights.keys() == {"motion", "video"}
    stated = (command_line.ROOT / "docs" / "toy_model.md").read_text()
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() in stated for path in weights.values())
    motion, video = loading.load_pair(shipped.folder())
    figures = shipped.figures()
    assert (video.config.data.height, video.config.data.width, figures["clips"]) == (224, 128, 16)
    assert (motion.step, video.step) == (motion.config.steps, video.config.steps)
    assert np.isfinite([row["value"] for row in figures["figures"]]).all() and len(figures["figures"]) == 8
