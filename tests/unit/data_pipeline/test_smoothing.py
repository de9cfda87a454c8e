import math

import numpy as np
import pytest
from scipy.signal import savgol_filter

from data_pipeline import smoothing
from data_pipeline.frame_times import at_rate
from data_pipeline.pose_formats import Clip
from data_pipeline.poses import denormalise
from data_pipeline.toy import clip as toy_clip


def _poses(frames=40, joints=3, seed=0):
    """Random walks of pixels, all seen for sure."""
    xy = np.random.default_rng(seed).normal(0, 5, (frames, joints, 2)).cumsum(axis=0) + 100
    return np.concatenate([xy, np.ones((frames, joints, 1))], axis=-1).astype(np.float32)


def _uneven(frames=40):
    return np.random.default_rng(1).uniform(0.01, 0.1, frames).cumsum()


def _scalar_one_euro(values, times, min_cutoff, beta, sure=None):
    """As its authors write it: one number after the other, the speed against the last filtered value; and each number
    only as far as it is sure."""
    sure = np.ones(len(values)) if sure is None else sure

    def alpha(cutoff, step):
        return 1 / (1 + (1 / (2 * math.pi * cutoff)) / step)

    filtered, speed = [float(values[0])], 0.0
    for i in range(1, len(values)):
        step = times[i] - times[i - 1]
        raw, a = (values[i] - filtered[-1]) / step, sure[i] * alpha(1.0, step)
        speed = a * raw + (1 - a) * speed
        a = sure[i] * alpha(min_cutoff + beta * abs(speed), step)
        filtered.append(a * values[i] + (1 - a) * filtered[-1])
    return np.array(filtered)


@pytest.mark.parametrize(("min_cutoff", "beta"), [(1.0, 0.0), (0.5, 0.05), (8.0, 0.01)])
def test_one_euro_is_the_published_filter_of_each_number(min_cutoff, beta):
    poses, times = _poses(), _uneven()
    found = smoothing.one_euro(poses, times, min_cutoff, beta)
    for joint in range(3):
        for axis in range(2):
            expected = _scalar_one_euro(poses[:, joint, axis], times, min_cutoff, beta)
            np.testing.assert_allclose(found[:, joint, axis], expected, rtol=1e-5)
    np.testing.assert_array_equal(found[..., 2], 1.0)
    assert found.dtype == np.float32


def test_one_euro_follows_a_joint_as_far_as_it_is_sure():
    poses, times = _poses(), _uneven()
    poses[..., 2] = np.random.default_rng(2).uniform(0.05, 1, poses.shape[:2])
    found = smoothing.one_euro(poses, times, 1.0, 0.05)
    for joint in range(3):
        expected = _scalar_one_euro(poses[:, joint, 0], times, 1.0, 0.05, poses[:, joint, 2])
        np.testing.assert_allclose(found[:, joint, 0], expected, rtol=1e-5)


def test_one_euro_goes_by_what_was_seen_and_when():
    poses, times = _poses(), _uneven()
    poses[10:15, 1] = 9e5, -9e5, 0.0
    poses[20, 1] = np.nan, np.nan, 0.0
    seen = np.r_[:10, 15:20, 21:40]
    found = smoothing.one_euro(poses, times, 1.0, 0.02)
    expected = smoothing.one_euro(poses[seen], times[seen], 1.0, 0.02)
    np.testing.assert_array_equal(found[seen, 1], expected[:, 1])
    np.testing.assert_array_equal(found[10:15, 1], poses[10:15, 1])
    others = [0, 2]
    np.testing.assert_array_equal(found[:, others], smoothing.one_euro(poses[:, others], times, 1.0, 0.02))
    assert np.isnan(found[20, 1, :2]).all() and np.isfinite(found[21:]).all()


@pytest.mark.parametrize("name", ["one_euro", "savitzky_golay"])
def test_a_joint_pulls_by_its_confidence(name):
    def pulled(confidence):
        poses = _poses(joints=60) * 0 + np.float32([100, 100, 1])
        poses[20, :, 0], poses[20, :, 2] = 130, confidence
        found = smoothing.smooth(Clip(poses, 896, 512, at_rate(30, 40)), name).poses
        np.testing.assert_array_equal(found[..., 2], poses[..., 2])
        return found[21, 7, 0] - 100

    assert pulled(1.0) > pulled(0.5) > pulled(0.05) > pulled(0.0) == 0.0


@pytest.mark.parametrize(("window", "polyorder"), [(7, 2), (5, 0), (11, 4), (39, 3)])
def test_savitzky_golay_of_sure_poses_is_scipys(window, polyorder):
    poses = _poses()
    poses[..., 2] = 0.4
    found = smoothing.savitzky_golay(poses, at_rate(25, 40), window, polyorder)
    expected = savgol_filter(poses[..., :2].astype(np.float64), window, polyorder, axis=0, mode="interp")
    np.testing.assert_allclose(found[..., :2], expected, rtol=1e-5)
    np.testing.assert_array_equal(found[..., 2], np.float32(0.4))
    assert found.dtype == np.float32


def test_savitzky_golay_is_a_weighted_fit_over_the_times():
    poses, times = _poses(), _uneven()
    poses[..., 2] = np.random.default_rng(2).uniform(0.05, 1, poses.shape[:2])
    poses[18, 1] = 1e5, 1e5, 0.0
    found = smoothing.savitzky_golay(poses, times, 9, 2)
    for frame, window in ((0, slice(0, 9)), (2, slice(0, 9)), (17, slice(13, 22)), (39, slice(31, 40))):
        for joint in range(3):
            weights = np.sqrt(poses[window, joint, 2])  # polyfit squares them
            fitted = np.polyfit(times[window] - times[frame], poses[window, joint, :2], 2, w=weights)[-1]
            np.testing.assert_allclose(found[frame, joint, :2], fitted, rtol=1e-5)
    np.testing.assert_array_equal(found[18, 1], poses[18, 1])


def test_savitzky_golay_leaves_what_is_hardly_seen():
    poses = _poses()
    poses[:, 1, 2] = 0
    poses[[4, 20, 22], 1, 2] = 0.9  # no window shows three of them
    poses[::2, 2] = np.nan, np.nan, 0
    found = smoothing.savitzky_golay(poses, at_rate(30, 40), 7, 2)
    np.testing.assert_array_equal(found[:, 1], poses[:, 1])
    assert np.isnan(found[::2, 2, :2]).all() and np.isfinite(found[1::2]).all()
    assert (found[1::2, 2, :2] != poses[1::2, 2, :2]).any()


def test_a_window_of_one_sure_frame_among_faint_ones_is_no_fit():
    poses = _poses()
    poses[:, 0, 2] = 1e-6
    poses[20, 0, 2] = 1.0
    found = smoothing.savitzky_golay(poses, at_rate(30, 40), 7, 2)
    np.testing.assert_array_equal(found[17:24, 0], poses[17:24, 0])


@pytest.mark.parametrize("frames", [1, 2, 3, 6])
def test_short_clips_are_one_window(frames):
    poses, times = _poses(frames), at_rate(30, frames)
    found = smoothing.savitzky_golay(poses, times, 7, 2)
    if frames <= 3:
        np.testing.assert_allclose(found, poses, rtol=1e-5)
    else:
        expected = np.polyfit(times - times[1], poses[:, 2, 0], 2)[-1]
        np.testing.assert_allclose(found[1, 2, 0], expected, rtol=1e-5)
    assert np.isfinite(smoothing.one_euro(poses, times, 1.0, 0.1)).all()


@pytest.mark.parametrize("name", ["one_euro", "savitzky_golay"])
def test_smoothed_dances_are_nearer_to_the_truth(name):
    truth = denormalise(toy_clip.make_clip(0, 0, "train", num_frames=200, render_frames=False)["poses"], 896, 512)
    for jitter, gain in ((0.002, 1.0), (0.004, 0.9), (0.008, 0.85)):
        noise = np.random.default_rng(0).normal(0, jitter * 896, (*truth.shape[:2], 2))
        noisy = np.concatenate([truth[..., :2] + noise, np.ones_like(truth[..., 2:])], axis=-1).astype(np.float32)
        found = smoothing.smooth(Clip(noisy, 896, 512, at_rate(30, 200)), name).poses
        before, after = (np.sqrt(((one[..., :2] - truth[..., :2]) ** 2).mean()) for one in (noisy, found))
        assert after < gain * before


@pytest.mark.parametrize("name", ["one_euro", "savitzky_golay"])
def test_smoothing_has_no_lag_and_knows_no_frame_size(name):
    poses = _poses(81, 60) * 0 + np.float32([100, 100, 1])
    away = np.abs(np.arange(81) - 40)
    poses[:, :, 0] += (60 * np.exp(-((away / 6) ** 2)))[:, None]
    clip = Clip(poses, 400, 300, at_rate(30, 81))
    found = smoothing.smooth(clip, name).poses
    np.testing.assert_allclose(found, found[::-1], atol=1e-3)
    assert found[:, 0, 0].argmax() == 40
    larger = clip._replace(poses=poses * np.float32([2, 2, 1]), height=800, width=600)
    np.testing.assert_allclose(smoothing.smooth(larger, name).poses[..., :2] / 2, found[..., :2], rtol=1e-5)


def test_none_is_the_clip_itself_and_others_are_unknown():
    clip = Clip(_poses(5, 60), 400, 300, at_rate(30, 5))
    assert smoothing.smooth(clip, "none") is clip
    before = clip.poses.copy()
    assert {name: smoothing.smooth(clip, name).poses is clip.poses for name in smoothing.NAMES} == {
        "none": True, "one_euro": False, "savitzky_golay": False,
    }  # fmt: skip
    np.testing.assert_array_equal(clip.poses, before)
    with pytest.raises(ValueError, match="smoothing: 'kalman' is not known; choose one of none, one_euro"):
        smoothing.smooth(clip, "kalman")


@pytest.mark.parametrize(("change", "error"), [
    ({"min_cutoff": 0.0}, "min_cutoff=0 and beta=0.1; must be"), ({"beta": -1.0}, "min_cutoff=1 and beta=-1; must be"),
    ({"min_cutoff": np.nan}, "min_cutoff=nan"), ({"times": np.zeros(5)}, "5 of 5 poses; give each one"),
    ({"times": np.arange(4.0)}, "times: 4 of 5 poses"),
    ({"poses": np.zeros((0, 3, 3)), "times": np.zeros(0)}, "times: 0 of 0"),
])
def test_one_euro_refuses_what_it_cannot_filter(change, error):
    with pytest.raises(ValueError, match=error):
        smoothing.one_euro(**{"poses": _poses(5), "times": np.arange(5.0), "min_cutoff": 1.0, "beta": 0.1} | change)


@pytest.mark.parametrize(("window", "polyorder"), [(4, 2), (3, 3), (5, -1), (0, 0)])
def test_savitzky_golay_refuses_windows_without_a_middle_or_a_fit(window, polyorder):
    with pytest.raises(ValueError, match=rf"window={window} must be odd, and above polyorder={polyorder}"):
        smoothing.savitzky_golay(_poses(5), np.arange(5.0), window, polyorder)
    with pytest.raises(ValueError, match="times: 3 of 5 poses"):
        smoothing.savitzky_golay(_poses(5), np.arange(3.0), 3, 1)
