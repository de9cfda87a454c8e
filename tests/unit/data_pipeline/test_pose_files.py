import numpy as np
import pytest

from data_pipeline.pose_files import load_poses, save_clip, save_poses
from data_pipeline.pose_formats import Clip

POSES = np.random.default_rng(0).uniform(size=(3, 60, 3)).astype(np.float32)


def test_poses_survive_the_file(tmp_path):
    save_poses(tmp_path / "p.npz", POSES, 25, 360, 640)
    clip = load_poses(tmp_path / "p.npz")
    np.testing.assert_array_equal(clip.poses, POSES)
    assert (clip.height, clip.width, clip.lost, clip.tokens) == (360, 640, 0, None)
    np.testing.assert_array_equal(clip.times, [0, 1 / 25, 2 / 25])
    with np.load(tmp_path / "p.npz") as data:
        assert data["fps"] == 25 and "times" not in data and "lost" not in data


def test_times_of_no_constant_rate_survive_too(tmp_path):
    times = np.array([0, 0.05, 0.17])
    save_clip(tmp_path / "p.NPZ", Clip(POSES, 360, 640, times, lost=4))
    clip = load_poses(tmp_path / "p.NPZ")
    np.testing.assert_array_equal(clip.times, times)
    assert clip.lost == 4
    with np.load(tmp_path / "p.NPZ") as data:
        assert "fps" not in data
    save_poses(tmp_path / "one.npz", POSES[:1], 30, 360, 640)
    np.testing.assert_array_equal(load_poses(tmp_path / "one.npz").times, [0])


def test_unseen_joints_of_our_own_files_get_a_place(tmp_path, caplog):
    poses = np.concatenate([POSES, POSES]) + (10, 20, 0)
    poses[:, 0] = 0, 0, 0
    poses[1, 5], poses[2, 7] = np.nan, (-1, -1, -1)
    poses[4] = 0
    np.savez(tmp_path / "p.npz", poses=poses, height=360, width=640, fps=30)
    found = load_poses(tmp_path / "p.npz").poses
    assert found[..., :2].min() >= 9 and not found[:, 0, 2].any()
    assert found[1, 5, 2] == found[2, 7, 2] == 0 and not found[4, :, 2].any()
    np.testing.assert_allclose(found[3, 1:], poses[3, 1:], rtol=1e-6)
    assert "1 of 6 frames show nobody, the first of them frame 4" in caplog.text


def test_other_layouts_are_read_too(tmp_path):
    path = tmp_path / "mediapipe.npz"
    hand = np.zeros((2, 21, 3), np.float32)
    np.savez(path, pose=np.ones((2, 33, 5), np.float32), lh=hand, rh=hand, fps=24.0, wh=np.array([64, 32]))
    assert load_poses(path).poses.shape == (2, 60, 3) and load_poses(path).width == 64


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"poses": POSES[:, :17]}, r"poses must be \(F, 60, 3\)"),
        ({"poses": POSES[:0]}, "F > 0"),
        ({"poses": POSES * 9}, r"confidences must lie in \[0, 1\]"),
        ({"fps": 0}, "must be positive"),
        ({"height": [1, 2]}, "height, width and fps single ones"),
        ({"height": "64"}, "must be numbers"),
        ({"fps": None}, "pose file without fps or times"),
        ({"fps": None, "times": [0, 1]}, "2 times beside 3 poses"),
        ({"fps": None, "times": [0, 0.1, 0.1]}, "each after the one before"),
        ({"fps": None, "times": [0, 0.1, np.nan]}, "each after the one before"),
        ({"fps": np.inf}, "fps inf must be positive"),
        ({"fps": 1e-9}, "lasts 2000000000 s"),
        ({"height": 1e300}, "height 1e.300 must be positive, and at most"),
        ({"fps": 30 + 1j}, "must be numbers"),
        ({"width": None, "fps": None}, "pose file without width, fps or times"),
        ({"tokens": np.zeros((2, 5, 6), np.int32)}, r"tokens \(2, 5, 6\) beside 3 poses"),
        ({"tokens": np.int32(3)}, r"tokens \(\) beside 3 poses"),
        ({"poses": np.array([{}])}, "not a readable .npz file.*Object arrays"),
    ],
)
def test_a_bad_file_is_one_clear_line(tmp_path, change, message):
    path = tmp_path / "p.npz"
    fields = {"poses": POSES, "height": 360, "width": 640, "fps": 30.0} | change
    np.savez(path, **{key: value for key, value in fields.items() if value is not None})
    with pytest.raises(ValueError, match=message) as error:
        load_poses(path)
    assert "\n" not in str(error.value) and "p.npz" in str(error.value)


def test_what_cannot_be_read_back_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="NaN"):
        save_poses(tmp_path / "p.npz", POSES * np.nan, 30, 360, 640)
    with pytest.raises(ValueError, match="named .npz"):
        save_poses(tmp_path / "p.json", POSES, 30, 360, 640)
    assert not list(tmp_path.iterdir())
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(ValueError, match="cut.npz: not a readable .npz file"):
        load_poses(tmp_path / "cut.npz")
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(ValueError, match="text.npz: not a readable .npz file .no zip archive"):
        load_poses(tmp_path / "text.npz")
