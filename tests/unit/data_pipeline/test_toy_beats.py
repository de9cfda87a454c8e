"""The toy dances keep the beat, and the beat can be heard."""

import librosa
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.signal import argrelmin

from data_pipeline import toy
from data_pipeline.toy.moves import BEATS_PER_MOVE

GENRES = range(len(toy.GENRES))


@pytest.fixture(scope="module")
def clips():
    return [toy.make_clip(3, index, "train", render_frames=False) for index in range(2 * len(toy.GENRES))]


def stops(poses):
    """Frames in which the mean joint speed has a minimum (Bailando's motion beats)."""
    speed = np.linalg.norm(np.diff(poses[..., :2], axis=0, prepend=poses[:1, :, :2]), axis=-1).mean(axis=1)
    return argrelmin(gaussian_filter1d(speed, 2.5))[0]


def alignment(frames, beats):
    return np.exp(-((30 * beats[:, None] - frames[None]) ** 2).min(axis=1) / 18).mean()


def test_dancers_stop_on_their_own_beats_only(clips):
    motion = [stops(c["poses"]) for c in clips]
    own = np.array([alignment(m, c["beat_times"]) for m, c in zip(motion, clips, strict=True)])
    others = [alignment(m, c["beat_times"]) for i, m in enumerate(motion) for j, c in enumerate(clips) if i != j]
    assert own.mean() >= 0.75 and np.mean(others) <= 0.45
    every_beat = [BEATS_PER_MOVE[c["style"]] == 1 for c in clips]
    assert own[every_beat].min() > 0.8


def test_the_choreography_is_on_the_beat_of_every_genre():
    for index in GENRES:
        clip = toy.make_clip(3, index, "train", 240, render_frames=False, choreography=True)
        assert alignment(stops(clip["poses"]), clip["beat_times"]) > 0.8
        assert 0.2 < np.ptp(clip["poses"][:, 8, 0]) < 0.8


def test_hips_travel_and_every_hand_joint_moves(clips):
    for c in clips:
        poses = c["poses"]
        hips = poses[:, 8, 0]
        assert 0.2 < np.ptp(hips) < 0.8
        hand = poses[:, 19:39, :2] - poses[:, 18:19, :2]
        assert np.ptp(hand, axis=0).max(axis=-1).min() > 0.02


def heard_beats(audio, rate):
    wave = librosa.resample(audio.astype(np.float32) / 32767, orig_sr=rate, target_sr=15360)
    envelope = librosa.onset.onset_strength(y=wave, sr=15360)
    return librosa.beat.beat_track(onset_envelope=envelope, sr=15360)[1] / 30


@pytest.mark.parametrize("genre", GENRES)
def test_librosa_finds_the_beats(clips, genre):
    clip = clips[genre]
    # One frame (33 ms) is the delay of librosa's onset envelope at this hop: clicks in silence are found 38 ms late.
    found = heard_beats(clip["audio"], clip["audio_rate"]) - 1 / 30
    gap = np.abs(clip["beat_times"][:, None] - found[None])
    recall, precision = (gap.min(axis=1) < 0.05).mean(), (gap.min(axis=0) < 0.05).mean()
    assert 2 * recall * precision / (recall + precision) > 0.8


def test_beats_are_even_and_the_kick_is_on_them():
    song = toy.make_song(np.random.default_rng(5), 1, 6.0)
    np.testing.assert_allclose(np.diff(song.beat_times), 60 / song.tempo)
    counted = song.first_beat + np.arange(song.beat_times.size)
    np.testing.assert_allclose(song.beats(song.beat_times), counted, atol=1e-9)
    starts = np.round(song.beat_times[1:-1] * song.sample_rate).astype(int)
    after = np.mean([np.square(song.audio[s : s + 800]).mean() for s in starts])
    before = np.mean([np.square(song.audio[s - 800 : s]).mean() for s in starts])
    assert after > 3 * before


def test_genres_have_their_own_sound(clips):
    means = []
    for c in clips:
        wave = c["audio"].astype(np.float32) / 32767
        mfcc = librosa.feature.mfcc(y=wave, sr=c["audio_rate"], n_mfcc=20)
        means.append(np.concatenate([mfcc.mean(axis=1), mfcc.std(axis=1)]))
    first, second = np.split(np.stack(means), 2)
    distance = np.linalg.norm(first[:, None] - second[None], axis=-1)
    assert list(distance.argmin(axis=1)) == list(GENRES)
