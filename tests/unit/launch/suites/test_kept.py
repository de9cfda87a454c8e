"""What is kept is whole, tied to what made it, and read by whoever reads pose files."""

import json

import numpy as np
import pytest

from data_pipeline import pose_files, poses
from launch.suites import kept, motion
from launch.suites.kept import Place
from xdancer_jax.evals.protocols import Result

SOURCE = {"step": 3, "seed": 0}


@pytest.fixture
def place(tmp_path):
    found = Place(tmp_path / "step_3", "video", 3, {"weights": {"gpt": "a"}, "seed": 0})
    found.clips.mkdir(parents=True)
    return found


@pytest.fixture
def dance():
    return np.random.default_rng(0).uniform(0, 1, (4, 60, 3)).astype(np.float32)


def test_a_kept_clip_is_a_pose_file_that_loses_nothing(place, dance):
    tokens = np.arange(4 * 5 * 6).reshape(4, 5, 6)
    place.write("a", {**motion.pose_arrays(dance, 512, 288), "tokens": tokens, "beats": np.array([1, 3])})
    clip = pose_files.load_poses(place.clip("a"))
    assert (clip.height, clip.width) == (512, 288)
    np.testing.assert_array_equal(clip.tokens, tokens)
    np.testing.assert_allclose(poses.normalise(clip.poses, 512, 288), dance, atol=1e-6)
    np.testing.assert_array_equal(motion.Motions(place, ["a"])[0], dance)


def test_pictures_come_back_as_they_were_one_at_a_time(place):
    pictures = np.random.default_rng(0).integers(0, 256, (3, 6, 4, 3), np.uint8)
    place.write("a", {"fps": np.array(30.0)}, iter(pictures))
    assert kept.shape(place.clip("a")) == (3, 6, 4)
    np.testing.assert_array_equal(np.stack(list(kept.frames(place.clip("a")))), pictures)
    place.write("none", {"fps": np.array(30.0)})
    with pytest.raises(ValueError, match="none.npz: holds no pictures"):
        kept.shape(place.clip("none"))


def test_a_clip_is_there_only_whole_and_of_what_is_asked_for(place, dance):
    assert not place.has("a", 1)
    place.write("a", motion.pose_arrays(dance, 8, 8), number=1)
    assert place.has("a", 1) and not place.has("a", 2)
    other = Place(place.folder, "video", 3, {**place.made_of, "weights": {"gpt": "b"}})
    assert not other.has("a", 1)
    content = place.clip("a").read_bytes()
    place.write("a", motion.pose_arrays(dance, 8, 8), number=1)
    assert place.clip("a").read_bytes() == content  # no clock in it
    place.clip("a").write_bytes(content[:100])
    assert not place.has("a", 1)
    with pytest.raises(ValueError, match="damaged"):
        list(kept.frames(place.clip("a")))


def test_names_are_those_of_files_and_never_of_two_clips():
    assert kept.names(["a/b c", "d.1"]) == ["a_b_c", "d.1"]
    with pytest.raises(ValueError, match="two clips would be kept as a_b"):
        kept.names(["a/b", "a b"])


def test_a_result_says_what_made_it_and_counts_for_that_alone(place):
    about = {"data": "f00d", "weights": {"gpt": "a"}, "command": "c", "versions": {}, "date": "d"}
    result = Result("fid", {"n": 2}, {"distance": float("nan")}, source={"weights": "i3d.pt 12"})
    path = kept.write_result(place, result, SOURCE, about)
    found = json.loads(path.read_text())
    assert path == place.folder / "video" / "fid.json"
    assert (found["format"], found["suite"], found["step"], found["data"]) == (1, "video", 3, "f00d")
    assert found["result"]["values"] == {"distance": None}
    assert found["result"]["source"] == {"weights": "i3d.pt 12", **SOURCE}
    assert kept.has_result(place, "fid", SOURCE, {"gpt": "a"})
    assert not kept.has_result(place, "fid", SOURCE | {"seed": 1}, {"gpt": "a"})
    assert not kept.has_result(place, "fid", SOURCE, {"gpt": "b"})
    assert not kept.has_result(place, "other", SOURCE, {"gpt": "a"})
    path.write_text("{")
    assert not kept.has_result(place, "fid", SOURCE, {"gpt": "a"})
