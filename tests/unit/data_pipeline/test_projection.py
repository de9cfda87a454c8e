import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from data_pipeline.projection import FILLED, HEIGHT, WIDTH, project
from data_pipeline.skeleton import INDEX, MIRROR_PAIRS, NUM_JOINTS

BODY = {
    "neck": (0, 1.4, 0), "left_shoulder": (0.2, 1.4, 0), "right_shoulder": (-0.2, 1.4, 0), "left_hip": (0.1, 0.9, 0),
    "right_hip": (-0.1, 0.9, 0), "left_knee": (0.1, 0.5, 0.1), "right_knee": (-0.1, 0.5, 0), "left_ankle": (0.1, 0, 0),
    "right_ankle": (-0.1, 0, 0), "left_wrist": (0.7, 1.2, 0.3), "right_wrist": (-0.5, 1.5, 0),
}  # fmt: skip


def _dancer(frames=3):
    """(F, 60, 3) metres, y up, who looks along z and steps to his left."""
    joints = np.full((frames, NUM_JOINTS, 3), np.nan)
    for name, place in BODY.items():
        joints[:, INDEX[name]] = place
    joints[..., 0] += 0.3 * np.arange(frames)[:, None]
    return joints


def test_the_clip_is_framed_as_a_whole_with_one_scale():
    poses = project(_dancer(), HEIGHT, WIDTH)
    seen = poses[poses[..., 2] > 0]
    low, high = seen[:, :2].min(axis=0), seen[:, :2].max(axis=0)
    np.testing.assert_allclose((low + high) / 2, (WIDTH / 2, HEIGHT / 2), atol=1e-3)
    scale = FILLED * WIDTH / (1.2 + 0.6)  # it is wider than it is high, in shares of the frame
    np.testing.assert_allclose(high - low, (1.8 * scale, 1.5 * scale), rtol=1e-5)
    np.testing.assert_allclose(np.diff(poses[:, INDEX["neck"], 0]), 0.3 * scale, rtol=1e-4)
    tall = project(_dancer(1), 500, 5000)
    assert np.ptp(tall[0, [INDEX["right_wrist"], INDEX["left_ankle"]], 1]) == pytest.approx(FILLED * 500)


def test_his_left_is_on_the_pictures_right_and_up_is_up():
    pose = project(_dancer(), 100, 100)[0]
    assert pose[INDEX["left_wrist"], 0] > pose[INDEX["right_wrist"], 0]
    assert pose[INDEX["neck"], 1] < pose[INDEX["left_ankle"], 1]
    unseen = [INDEX["nose"], 18, 59]
    assert np.isnan(pose[unseen, :2]).all() and not pose[unseen, 2].any()
    assert set(pose[:, 2]) == {0, 1}


@pytest.mark.parametrize("turn", [0, 30, 90, 135, 180, 270])
@pytest.mark.parametrize("unit", [1, 100])
def test_where_he_faces_at_first_does_not_matter(turn, unit):
    turned = Rotation.from_euler("y", turn, degrees=True).apply(_dancer().reshape(-1, 3)).reshape(3, -1, 3) * unit + 7
    np.testing.assert_allclose(project(turned, 300, 200), project(_dancer(), 300, 200), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("up", "axes"), [("y", "xyz"), ("z", "x-zy"), ("-y", "x-y-z"), ("x", "y-xz"), ("-x", "-yxz"), ("-z", "xz-y")]
)
def test_any_axis_may_be_up(up, axes):
    """axes: for each axis of the source, what it is in ours."""
    signed = [part for part in axes.replace("-", " -").replace("x", "x ").replace("y", "y ").replace("z", "z ").split()]
    columns = [_dancer()[..., "xyz".index(part[-1])] * (-1 if part[0] == "-" else 1) for part in signed]
    source = np.stack(columns, axis=-1)
    np.testing.assert_allclose(project(source, 300, 200, up), project(_dancer(), 300, 200), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(project(source, 300, 200), project(_dancer(), 300, 200), rtol=1e-4, atol=1e-3)


def test_a_mirror_image_exchanges_left_and_right():
    mirrored = _dancer(1) * (-1, 1, 1)
    left, right = np.array(MIRROR_PAIRS).T
    mirrored[:, np.concatenate([left, right])] = mirrored[:, np.concatenate([right, left])]
    wanted = project(_dancer(1), 300, 200)
    wanted[..., 0] = 200 - wanted[..., 0]
    wanted[:, np.concatenate([left, right])] = wanted[:, np.concatenate([right, left])]
    np.testing.assert_allclose(project(mirrored, 300, 200), wanted, rtol=1e-4, atol=1e-3)


def test_frames_without_joints_stay_empty_and_the_first_that_shows_both_sides_says_where_he_faces():
    joints = _dancer(4)[..., [2, 1, 0]] * (1, 1, -1)  # he looks along x
    joints[0] = np.nan
    joints[1, INDEX["left_shoulder"]] = joints[1, INDEX["left_hip"]] = np.inf
    poses = project(joints, 300, 200)
    assert np.isnan(poses[0, :, :2]).all() and not poses[1, INDEX["left_hip"], 2]
    torso = poses[2, INDEX["left_hip"], 1] - poses[2, INDEX["left_shoulder"], 1]
    across = poses[2, INDEX["left_shoulder"], 0] - poses[2, INDEX["right_shoulder"], 0]
    assert across / torso == pytest.approx(0.4 / 0.5, rel=1e-4)


def test_a_dancer_of_whom_nothing_is_known_is_refused():
    for up in (None, "y"):
        with pytest.raises(ValueError, match="no frame shows shoulders"):
            project(np.full((2, NUM_JOINTS, 3), np.nan), 300, 200, up)


def test_one_who_lies_across_the_view_keeps_his_place():
    joints = _dancer(1)[..., [1, 0, 2]]  # his left is up
    assert np.isfinite(project(joints, 300, 200, "y")[0, INDEX["neck"]]).all()
