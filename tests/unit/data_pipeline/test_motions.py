import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from data_pipeline import motions, projection, smpl
from data_pipeline.pose_files import load_poses
from data_pipeline.pose_formats import COCO_BODY
from data_pipeline.skeleton import INDEX, PARTS

FRAMES = 5
BODY = [INDEX[name] for name in smpl.BODY]


def _angles(joints=24):
    return np.random.default_rng(0).normal(0, 0.2, (FRAMES, joints, 3))


def _standing(joints=24):
    """SMPL's joints in metres, y up."""
    return smpl.positions(_angles()[:, :joints], np.arange(3.0 * FRAMES).reshape(-1, 3) / 10)


def _z_up(joints):
    return np.stack([joints[..., 0], -joints[..., 2], joints[..., 1]], axis=-1)


def _seen(joints, height=projection.HEIGHT, width=projection.WIDTH):
    return projection.project(smpl.from_smpl(joints), height, width, "y")


def _check(clip, joints):
    np.testing.assert_allclose(clip.poses[:, BODY], _seen(joints, clip.height, clip.width)[:, BODY], atol=1e-2)
    assert not clip.poses[:, list(PARTS["head"]), 2].any() and np.isfinite(clip.poses).all()


def test_a_csv_of_smpl_joints(tmp_path):
    np.savetxt(tmp_path / "a.csv", _z_up(_standing()).reshape(FRAMES, 72), delimiter=",")
    clip = load_poses(tmp_path / "a.csv", fps=30)
    assert (clip.height, clip.width, clip.counts.nobody) == (896, 512, 0) and clip.times[1] == pytest.approx(1 / 30)
    _check(clip, _standing())
    _check(load_poses(tmp_path / "a.csv", 300, 400, 30), _standing())
    with pytest.raises(ValueError, match="a.csv: does not state its fps"):
        load_poses(tmp_path / "a.csv")


def _pickle(path, content):
    path.write_bytes(pickle.dumps(content))
    return path


def test_aists_motion(tmp_path):
    places = np.arange(3.0 * FRAMES).reshape(-1, 3) / 10
    content = {"smpl_poses": _angles().reshape(FRAMES, 72), "smpl_trans": places * 93, "smpl_loss": 0.1}
    clip = load_poses(_pickle(tmp_path / "a.pkl", content | {"smpl_scaling": np.array([93.0])}))
    assert clip.times[1] == pytest.approx(1 / 60)
    _check(clip, _standing())
    assert load_poses(tmp_path / "a.pkl", fps=30).times[1] == pytest.approx(1 / 30)
    with pytest.raises(ValueError, match="does not state its fps"):
        load_poses(_pickle(tmp_path / "edge.pkl", content))


def test_edges_motion_is_z_up(tmp_path):
    """The root's rotation and place turned as EDGE turns them."""
    from scipy.spatial.transform import Rotation

    angles = _angles()
    up = Rotation.from_rotvec((np.pi / 2, 0, 0))
    angles[:, 0] = (up * Rotation.from_rotvec(angles[:, 0])).as_rotvec()
    places = _z_up(np.arange(3.0 * FRAMES).reshape(-1, 3) / 10)
    content = {"smpl_poses": angles.reshape(FRAMES, 72), "smpl_trans": places}
    _check(load_poses(_pickle(tmp_path / "a.pkl", content), fps=30), _standing())
    smplh = np.concatenate([angles[:, :22].reshape(FRAMES, 66), np.zeros((FRAMES, 90))], axis=1)
    np.savez(tmp_path / "amass.npz", poses=smplh, trans=places, betas=np.zeros(16), mocap_framerate=120.0)
    clip = load_poses(tmp_path / "amass.npz")
    assert clip.times[1] == pytest.approx(1 / 120)
    _check(clip, _standing())


def _coco():
    rng = np.random.default_rng(1)
    joints = rng.normal(0, 5, (FRAMES, 17, 3))
    for name, i in COCO_BODY.items():
        part = name.split("_")[-1]
        joints[..., i, 1] += {"shoulder": 140, "hip": 90, "knee": 50, "ankle": 5}.get(part, 150)
        joints[..., i, 0] += 20 * name.startswith("left") - 20 * name.startswith("right")
    return joints


def test_aists_keypoints_in_space_show_the_head(tmp_path):
    joints = _coco()
    joints[2, 3] = np.nan
    path = _pickle(tmp_path / "a.pkl", {"keypoints3d": np.zeros((FRAMES, 17, 3)), "keypoints3d_optim": joints})
    clip = load_poses(path)
    assert clip.times[1] == pytest.approx(1 / 60)
    wanted = projection.project(smpl.from_named(joints, COCO_BODY), 896, 512, "y")
    np.testing.assert_allclose(clip.poses[0], np.nan_to_num(clip.poses[0]))
    np.testing.assert_allclose(clip.poses[0, INDEX["nose"]], wanted[0, INDEX["nose"]], rtol=1e-5)
    assert clip.poses[2, INDEX["left_ear"], 2] == 0 and clip.poses[2, INDEX["right_ear"], 2] == 1
    assert not clip.poses[:, 18:, 2].any()
    del joints
    raw = load_poses(_pickle(tmp_path / "b.pkl", {"keypoints3d": _coco()}))
    np.testing.assert_allclose(raw.poses[0], clip.poses[0], atol=15)


@pytest.mark.parametrize("count", [22, 24, 52, 127])
def test_joints_by_their_number(tmp_path, count):
    body = _standing(min(count, 24))
    joints = np.concatenate([body, body[:, -1:].repeat(max(count - 24, 0), axis=1)], axis=1)
    joints = np.concatenate([body[:, :22], joints[:, 22:]], axis=1)
    np.save(tmp_path / "a.npy", joints)
    clip = load_poses(tmp_path / "a.npy", fps=20)
    np.testing.assert_allclose(clip.poses[:, BODY], _seen(joints)[:, BODY], atol=1e-2)
    assert clip.poses[:, 20, 2].all() == (count > 24)
    np.savez(tmp_path / "a.npz", joints=joints, fps=20)
    np.testing.assert_array_equal(load_poses(tmp_path / "a.npz").poses, clip.poses)


BAD = {
    "joints.pkl": ({"joints": np.zeros((2, 9, 3))}, "joints: expected .any, N, 3. with N one of 22, 24"),
    "none.pkl": ({"joints": np.zeros((0, 24, 3))}, "holds no frames"),
    "nan.pkl": ({"joints": np.full((2, 24, 3), np.nan)}, "no frame shows shoulders"),
    "text.pkl": ({"joints": "abc"}, "joints: no numbers"),
    "short.pkl": ({"smpl_poses": np.zeros((2, 60)), "smpl_trans": np.zeros((2, 3))}, "smpl_poses: expected"),
    "odd.pkl": ({"smpl_poses": np.zeros((2, 72)), "smpl_trans": np.zeros((3, 3))}, "3 rows of smpl_trans beside 2"),
    "flat.pkl": ({"smpl_poses": np.zeros((2, 72)), "smpl_trans": np.zeros(3)}, "smpl_trans: expected .any, 3., got"),
    "coco.pkl": ({"keypoints3d": np.zeros((2, 18, 3))}, "keypoints3d: expected .any, 17, 3., got .2, 18, 3."),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_motion_is_one_line_that_names_the_file(tmp_path, name):
    content, message = BAD[name]
    with pytest.raises(ValueError, match=f"{name}: .*{message}") as error:
        load_poses(_pickle(tmp_path / name, content), fps=30)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "1,2,3\n", "a,b\n", "1," * 71 + "x\n", ("1," * 71 + "1\n") + "1,2\n"])
def test_a_csv_of_something_else_is_one_line(tmp_path, text):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match="a.csv: ") as error:
        load_poses(tmp_path / "a.csv", fps=30)
    assert "\n" not in str(error.value)


def test_names_and_shapes_tell_motions_apart():
    assert motions.are_in({"poses", "trans", "gender"}) and not motions.are_in({"poses", "height", "width"})
    assert motions.is_one(np.zeros((9, 24, 3))) and not motions.is_one(np.zeros((9, 25, 3)))


@pytest.fixture
def folder() -> Path:
    if not os.environ.get("XDANCER_SAMPLE_DATA"):
        pytest.skip("set XDANCER_SAMPLE_DATA to the sample data")
    return Path(os.environ["XDANCER_SAMPLE_DATA"]) / "poses"


def test_real_dances_of_aist(folder):
    files = sorted((folder / "aistpp").glob("*.csv"))
    assert len(files) == 4
    for file in files:
        clip = load_poses(file, fps=30)
        joints = np.loadtxt(file, delimiter=",").reshape(-1, 24, 3)
        assert clip.poses.shape == (150, 60, 3)
        # one scale for the clip: heights in the picture are heights in the room
        heights = clip.poses[:, BODY, 1].astype(float)
        metres = joints[:, list(smpl.BODY.values()), 2]
        scale = -np.polyfit(metres.ravel(), heights.ravel(), 1)[0]
        np.testing.assert_allclose(heights + scale * metres, np.mean(heights + scale * metres), atol=0.01)
        seen = clip.poses[..., 2] > 0
        assert seen.sum(axis=1).tolist() == [13] * 150
        spans = np.ptp(clip.poses[seen][:, :2], axis=0) / (512, 896)
        assert spans.max() == pytest.approx(projection.FILLED, rel=1e-5)
        first = clip.poses[0]
        assert first[INDEX["left_shoulder"], 0] > first[INDEX["right_shoulder"], 0]
        assert first[INDEX["neck"], 1] < first[INDEX["left_hip"], 1] < first[INDEX["left_ankle"], 1]


def test_real_motion_capture(folder):
    for name, frames, joints in (("rokoko_jesse_dance", 1007, 55), ("cmu1_jumping_jacks", 125, 13)):
        clip = load_poses(folder / "bvh" / f"{name}.bvh")
        assert len(clip.poses) == frames and (clip.poses[..., 2] > 0).sum(axis=1).tolist() == [joints] * frames
        first = clip.poses[0]
        assert first[INDEX["left_shoulder"], 0] > first[INDEX["right_shoulder"], 0]
        assert (clip.poses[:, INDEX["neck"], 1] < clip.poses[:, INDEX["left_hip"], 1]).all()
