import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.signal import argrelextrema

from xdancer_jax.evals.beat_alignment import (
    BAS_BAILANDO_60FPS,
    BAS_BAILANDO_SECONDS,
    BAS_MACE2D_16FPS,
    BAS_MACE2D_SECONDS,
    BAS_MASKED_100MS,
    BAS_MINT_60FPS,
    BAS_MINT_SECONDS,
    SOURCES,
    joint_speed,
)

FPS, FRAMES = 30, 600
BEATS = np.arange(15, FRAMES, 15)  # 120 BPM


def _one_hot(frames, length=FRAMES):
    return np.isin(np.arange(length), frames).astype(np.float32)


def _poses(velocity):
    xy = np.concatenate([np.zeros_like(velocity[:1]), np.cumsum(velocity, axis=0)])
    return np.concatenate([xy, np.ones_like(xy[..., :1])], axis=-1).astype(np.float32)


def _on_beat(seed, beats_apart=15, joints=24):
    """Every joint slows down towards each beat and leaves in another direction."""
    rng = np.random.default_rng(seed)
    t = np.arange(FRAMES - 1)
    angle = rng.uniform(0, 2 * np.pi, (t[-1] // beats_apart + 1, joints))[t // beats_apart]
    speed = (1.05 - np.cos(2 * np.pi * t / beats_apart))[:, None] * rng.uniform(0.5, 1.5, joints)
    return _poses(speed[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1))


def _unrelated(seed, joints=24):
    rng = np.random.default_rng(seed)
    return _poses(gaussian_filter1d(rng.normal(size=(FRAMES - 1, joints, 2)), 5, axis=0))


def _steps(poses):
    """Summed speed of the joints at each step."""
    steps = zip(poses[:-1], poses[1:], strict=True)
    return [sum(math.dist(a[:2], b[:2]) for a, b in zip(p, q, strict=True)) for p, q in steps]


def _bailando_by_hand(poses, beats, smoothing=5.0, sigma=3.0, last=1):
    """Mean speed, smoothed; every lower frame than its neighbours; over the music's beats before the last step."""
    speed = gaussian_filter1d(np.array(_steps(poses)) / poses.shape[1], smoothing)
    motion = [t for t in range(1, len(speed) - 1) if speed[t] < speed[t - 1] and speed[t] < speed[t + 1]]
    beats = [b for b in beats if b < len(poses) - last]
    return sum(math.exp(-(min(abs(b - m) for m in motion) ** 2) / 2 / sigma**2) for b in beats) / len(beats)


def _mint_by_hand(poses, beats, order=10, sigma=3.0):
    speed = [0.0, *_steps(poses)]
    near = {t: [s for s in range(t - order, t + order + 1) if s != t] for t in range(len(speed))}
    # past the ends the last value counts again, which is never below itself
    motion = [t for t in near if all(speed[t] < speed[min(max(s, 0), len(speed) - 1)] for s in near[t])]
    return sum(math.exp(-(min(abs(b - m) for b in beats) ** 2) / 2 / sigma**2) for m in motion) / len(motion)


def _mace_by_hand(poses, beats):
    return _bailando_by_hand(poses, beats, 3.5, last=0)


@pytest.mark.parametrize(
    ("protocol", "by_hand", "fps"),
    [
        (BAS_BAILANDO_60FPS, _bailando_by_hand, 60), (BAS_MINT_60FPS, _mint_by_hand, 60),
        (BAS_MACE2D_16FPS, _mace_by_hand, 16),
        (BAS_BAILANDO_SECONDS, lambda p, b: _bailando_by_hand(p, b, 2.5, 1.5), 30),
        (BAS_MINT_SECONDS, lambda p, b: _mint_by_hand(p, b, 5, 1.5), 30),
    ],
    ids=lambda value: getattr(value, "id", ""),
)
def test_agrees_with_the_published_form(protocol, by_hand, fps):
    """The sources' own constants, in frames at their rate; and the same times at 30 fps."""
    poses = _unrelated(3, joints=5)[:200]
    beats = np.append(BEATS[BEATS < 199], 199)
    np.testing.assert_allclose(protocol(poses, beats, fps).score, by_hand(poses, beats), rtol=1e-5)


def test_motion_at_30_fps_gets_the_figure_of_its_source_at_60():
    """Every second frame of a smooth motion, brought back to 60 fps: nearly the figure of all of it."""
    rng = np.random.default_rng(5)
    velocity = gaussian_filter1d(rng.normal(size=(FRAMES, 6, 2)), 8, axis=0)  # nothing above 15 Hz
    fast = _poses(velocity)
    beats = np.arange(14, FRAMES, 26)
    for protocol in (BAS_BAILANDO_60FPS, BAS_MINT_60FPS):
        full, half = protocol(fast, beats, 60.0), protocol(fast[::2], beats // 2, 30.0)
        assert half.motion_beats == full.motion_beats and half.music_beats == full.music_beats
        np.testing.assert_allclose(half.score, full.score, atol=0.02)


def test_minima_agree_with_scipy_on_a_resampled_motion():
    poses = _unrelated(7, joints=4)[:90]
    assert len(BAS_MINT_60FPS.motion_beats(poses, 30.0)) > 0  # straight lines between frames would leave none
    raw = np.concatenate([[0.0], np.array(_steps(poses))])
    np.testing.assert_array_equal(BAS_MINT_SECONDS.motion_beats(poses, 30.0), argrelextrema(raw, np.less, order=5)[0])


def test_on_beat_dances_score_high_and_unrelated_ones_stay_at_chance():
    for protocol in (BAS_MASKED_100MS, *SOURCES):
        joints = dict(joints=6)
        high = np.mean([protocol(_on_beat(seed, **joints), BEATS, 30.0).score for seed in range(4)])
        low = np.mean([protocol(_unrelated(seed, **joints), BEATS, 30.0).score for seed in range(4)])
        assert high > 0.8 and low < 0.6 and high > low + 0.3, (protocol.id, high, low)


def test_the_kernel_is_as_wide_as_its_name_says():
    """One motion beat 3 frames (100 ms) after a music beat, at 30 fps."""
    for protocol, gap in ((BAS_MASKED_100MS, 1), (BAS_BAILANDO_SECONDS, 2), (BAS_MINT_SECONDS, 2)):
        found = protocol.align(np.array([23]), np.array([20]), 30.0)
        assert found.score == pytest.approx(math.exp(-(gap**2) / 2)), protocol.id
    at_source = BAS_BAILANDO_60FPS.align(np.array([46]), np.array([40]), 60.0)
    assert at_source.score == pytest.approx(math.exp(-2))
    assert BAS_MACE2D_SECONDS.sigma_ms == BAS_MACE2D_16FPS.sigma_ms == 187.5


def test_constants_are_times_so_the_score_survives_a_change_of_frame_rate():
    slow = _on_beat(0)
    between = (slow[:-1] + slow[1:]) / 2
    fast = np.insert(slow, np.arange(1, FRAMES), between, axis=0)
    a, b = BAS_MASKED_100MS(slow, BEATS, 30.0), BAS_MASKED_100MS(fast, 2 * BEATS, 60.0)
    assert abs(a.score - b.score) < 0.03 and a.music_beats == b.music_beats


def test_nothing_to_align():
    still = np.ones((60, 4, 3), np.float32)
    assert BAS_MASKED_100MS(still, np.array([10, 30]), 30.0) == (0.0, 2, 0)
    for silent in (np.array([], np.int64), np.zeros(60, np.float32), np.array([99])):
        score = BAS_MINT_SECONDS(_unrelated(0)[:60], silent, 30.0)
        assert math.isnan(score.score) and score.music_beats == 0
    assert math.isnan(BAS_MASKED_100MS(still[:1], np.array([], np.int64), 30.0).score)


def test_one_hot_and_frame_numbers_are_the_same_beats():
    poses = _unrelated(1)
    assert BAS_MASKED_100MS(poses, BEATS, 30) == BAS_MASKED_100MS(poses, _one_hot(BEATS), 30.0)


def test_hidden_joints_do_not_count():
    poses = _unrelated(2)
    hidden = poses.copy()
    hidden[:, 5:, :2] = np.random.default_rng(0).normal(size=hidden[:, 5:, :2].shape)
    hidden[:, 5:, 2] = 0.1
    np.testing.assert_allclose(joint_speed(hidden, "mean", 0.3), joint_speed(poses[:, :5], "mean", 0.3))
    hidden[100:110, :, 2] = 0  # a gap is bridged, not a pause
    assert joint_speed(hidden, "mean", 0.3)[98:111].min() > 0.1 * joint_speed(hidden, "mean", 0.3)[97]
