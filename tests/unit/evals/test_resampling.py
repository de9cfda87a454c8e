import numpy as np

from xdancer_jax.evals.resampling import resample


def _turning(times, confidence=1.0):
    xy = np.stack([np.sin(2 * np.pi * times), np.cos(2 * np.pi * times)], axis=-1)[:, None]
    return np.concatenate([xy, np.full((len(times), 1, 1), confidence)], axis=-1)


def test_a_smooth_motion_is_met_between_its_frames():
    found = resample(_turning(np.arange(61) / 30), 30.0, 60.0, 0.3)
    wanted = _turning(np.arange(121) / 60)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found[::2], wanted[::2], atol=1e-12)
    np.testing.assert_allclose(found, wanted, atol=1e-3)
    down = resample(_turning(np.arange(61) / 30), 30.0, 16.0, 0.3)
    np.testing.assert_allclose(down, _turning(np.arange(33) / 16), atol=1e-3)


def test_the_same_rate_changes_nothing():
    poses = _turning(np.arange(9) / 30)
    assert resample(poses, 30.0, 30.0, 0.3) is poses and resample(poses[:1], 30.0, 60.0, 0.3).shape[0] == 1


def test_gaps_are_bridged_and_stay_unseen():
    poses = _turning(np.arange(31) / 30)
    poses[10:13, 0, 2] = 0.1
    poses[10:13, 0, :2] = 99
    found = resample(poses, 30.0, 60.0, 0.3)
    assert np.abs(found[..., :2]).max() < 1.1
    unseen = np.flatnonzero(found[:, 0, 2] < 0.3)
    np.testing.assert_array_equal(unseen, np.arange(19, 26))  # what lies between a seen frame and an unseen one too
    poses[..., 2], poses[..., 0] = 0, np.nan
    assert (resample(poses, 30.0, 60.0, 0.3)[..., 0] == 0).all()
