import numpy as np
import pytest

from data_pipeline import poses
from data_pipeline.skeleton import INDEX


def _person(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """A pose in pixels whose visible joints fill the box, and one wild joint nobody believes in."""
    pose = np.random.default_rng(0).uniform((x0, y0), (x1, y1), (60, 2))
    pose[0], pose[1], pose[2] = (x0, y0), (x1, y1), (-500, 9000)
    return np.concatenate([pose, np.where(np.arange(60) == 2, 0.1, 0.9)[:, None]], axis=1).astype(np.float32)


def test_record_coordinates_are_centred_and_keep_the_aspect():
    pixels = np.array([[[32, 56, 0.5], [32, 0, 1], [64, 112, 1]]])
    record = poses.normalise(pixels, 112, 64)
    np.testing.assert_allclose(record[0, :, :2], [[0, 0], [0, -1], [32 / 56, 1]], atol=1e-6)
    np.testing.assert_allclose(poses.denormalise(record, 112, 64), pixels, atol=1e-4)


def test_resample_keeps_duration_and_distrusts_blends():
    clip = np.zeros((26, 60, 3), np.float32)
    clip[..., 0] = np.arange(26)[:, None]
    clip[..., 2] = 1
    clip[1, :, 2] = 0.2
    out = poses.resample(clip, np.arange(26) / 25, 30)
    assert out.shape == (31, 60, 3)
    np.testing.assert_allclose(out[:, 0, 0], np.arange(31) * 25 / 30, rtol=1e-6)
    np.testing.assert_allclose(out[[0, 1, 3], 0, 2], [1, 0.2, 1])


def test_resample_goes_by_each_frames_time():
    times = np.array([0, 0.1, 0.15, 0.55, 0.6004])  # the last is a twentieth of a frame's rounding past the grid
    clip = np.ones((5, 60, 3), np.float32)
    clip[..., 0] = 100 * times[:, None]
    clip[3, :, 2] = 0.2
    out = poses.resample(clip, times)
    assert out.shape == (19, 60, 3)
    np.testing.assert_allclose(out[:, 0, 0], 100 * np.arange(19) / 30, atol=0.11)
    np.testing.assert_allclose(out[[4, 5, 16, 17, 18], 0, 2], [1, 0.2, 0.2, 0.2, 1])


def test_a_rate_that_a_container_rounded_loses_no_frame():
    clip = np.random.default_rng(0).uniform(size=(29, 60, 3)).astype(np.float32)
    out = poses.resample(clip, np.floor(1000 * np.arange(29) / 30) / 1000)
    np.testing.assert_array_equal(out, clip)


def test_resample_refuses_other_numbers_of_times():
    with pytest.raises(ValueError, match="cannot resample 3 frames at 2 times"):
        poses.resample(np.zeros((3, 60, 3)), np.arange(2))


@pytest.mark.parametrize(
    ("size", "person", "box"),
    [
        ((360, 640), (300, 50, 340, 350), (217, 0, 423, 360)),  # wide: full height, centred on the person
        ((360, 640), (600, 50, 640, 350), (434, 0, 640, 360)),  # ... clamped to the picture
        ((1000, 400), (100, 200, 300, 600), (0, 50, 400, 750)),  # narrow: full width, cut above and below
        ((1000, 400), (100, 20, 300, 980), (-86, 0, 485, 1000)),  # narrow, the person too tall: overhangs
    ],
)
def test_crop_box(size, person, box):
    assert poses.crop_box(_person(*person), *size) == box


def test_no_visible_joint_means_no_crop():
    with pytest.raises(ValueError, match="no joint has a confidence above 0.3"):
        poses.crop_box(np.zeros((60, 3), np.float32), 100, 100)


@pytest.mark.parametrize("box", [(40, 10, 80, 80), (-20, 0, 140, 280)])
def test_a_pose_stays_on_its_person_through_a_crop(box):
    image = np.zeros((280, 120, 3), np.uint8)
    image[38:43, 58:63] = 255
    pose = np.array([[60.5, 40.5, 0.7]])
    cropped = poses.crop_image(image, box, 112, 64)
    x, y, confidence = poses.crop_poses(pose, box, 112, 64)[0]
    rows, columns = np.nonzero(cropped[..., 0] > 128)
    assert cropped.shape == (112, 64, 3)
    assert abs(columns.mean() + 0.5 - x) < 0.6 and abs(rows.mean() + 0.5 - y) < 0.6 and confidence == np.float32(0.7)


def test_overhang_repeats_the_edge():
    image = np.tile(np.arange(10, dtype=np.uint8)[None, :, None] * 20 + 20, (30, 1, 3))
    cropped = poses.crop_image(image, (-5, 0, 15, 30), 30, 20)
    assert abs(int(cropped[15, 2, 0]) - 20) <= 1 and abs(int(cropped[15, 17, 0]) - 200) <= 1


def test_draw_shows_believed_limbs_where_they_are():
    pose = np.zeros((60, 3), np.float32)
    pose[INDEX["neck"]] = (0, -0.5, 1)
    pose[INDEX["right_hip"]] = (0, 0.5, 1)
    image = poses.draw(np.stack([pose, pose * (1, 1, 0.3)]), 112, 64)
    assert image.shape == (2, 112, 64, 3) and image.dtype == np.uint8
    assert image[0, 56, 32].max() > 100  # the middle of the limb
    assert not image[0, :, :20].any() and not image[0, :20].any()
    assert not image[1].any()


def test_draw_survives_joints_far_outside_and_nan():
    wild = np.ones((60, 3), np.float32)
    wild[::2, 0], wild[1::3, 1] = 1e6, np.nan
    assert poses.draw(wild, 32, 16).shape == (32, 16, 3)


def test_overlay_keeps_the_picture_and_checks_shapes():
    frames = np.full((1, 32, 16, 3), 77, np.uint8)
    assert (poses.overlay(frames, np.zeros((1, 60, 3), np.float32)) == 77).all()
    with pytest.raises(ValueError, match="do not match frames"):
        poses.overlay(frames, np.zeros((2, 60, 3), np.float32))
