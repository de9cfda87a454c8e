import os

import librosa
import numpy as np
import pytest

from data_pipeline import music


def _clicks(seconds: float, rate: int, period: float = 0.5, start: float = 0.4) -> np.ndarray:
    """Decaying noise bursts at start, start + period, ..."""
    rng = np.random.default_rng(0)
    audio = 0.002 * rng.normal(size=int(seconds * rate))
    burst = rng.normal(size=rate // 10) * np.exp(-np.arange(rate // 10) / (0.02 * rate)) * 0.5
    for time in np.arange(start, seconds - 0.2, period):
        audio[int(time * rate) :][: len(burst)] += burst
    return audio.astype(np.float32)


def test_columns_are_those_of_librosa():
    audio = _clicks(5, music.SAMPLE_RATE)
    rows = music.features(audio, music.SAMPLE_RATE)
    envelope = librosa.onset.onset_strength(y=audio, sr=15360)
    tempo = librosa.feature.tempo(onset_envelope=envelope, sr=15360)[0]
    beats = librosa.beat.beat_track(onset_envelope=envelope, sr=15360, start_bpm=tempo, tightness=100)[1]
    onsets = librosa.onset.onset_detect(onset_envelope=envelope, sr=15360)
    assert rows.shape == (150, 35) and rows.dtype == np.float32
    np.testing.assert_allclose(rows[:, 0], envelope[:150], rtol=1e-6)
    np.testing.assert_allclose(rows[:, 1:21], librosa.feature.mfcc(y=audio, sr=15360, n_mfcc=20).T[:150], rtol=1e-5)
    np.testing.assert_allclose(rows[:, 21:33], librosa.feature.chroma_cens(y=audio, sr=15360).T[:150], rtol=1e-5)
    np.testing.assert_array_equal(np.flatnonzero(rows[:, 33]), onsets[onsets < 150])
    np.testing.assert_array_equal(np.flatnonzero(rows[:, 34]), beats[beats < 150])
    assert rows[:, 34].sum() >= 6


def test_rows_lie_on_video_time_after_resampling():
    rows = music.features(_clicks(6, 44100), 44100, num_frames=180)
    bursts = np.arange(0.4, 5.8, 0.5) * 30
    onsets = np.flatnonzero(rows[:, music.ONSET])
    late = onsets[onsets > 5, None] - bursts  # librosa moves onsets to the end of the rise: up to 2 frames late
    late = np.where(late >= 0, late, np.inf).min(axis=1)
    assert len(late) >= len(bursts) and late.max() < 2.5
    beats = np.flatnonzero(rows[:, music.BEAT])
    assert np.abs(beats[:, None] - bursts).min(axis=1).max() < 2.5 and (np.diff(beats) == 15).all()


@pytest.mark.parametrize("frames", [15, 100, 120, 134])
def test_exactly_the_frames_asked_for(frames):
    rows = music.features(_clicks(4, 16000), 16000, num_frames=frames)
    assert rows.shape == (frames, 35)
    assert np.isfinite(rows).all()


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (np.zeros(0, np.float32), "empty"),
        (np.zeros((2, 16000), np.float32), "mono"),
        (np.zeros(16000, np.int16), "expected float"),
        (np.full(16000, 9e-5, np.float32), "silent"),
        (np.where(np.arange(16000) == 7, np.nan, 0.5), "NaN"),
        (np.ones(4000, np.float32), "too short, 0.25 s"),
    ],
)
def test_audio_that_cannot_be_used_is_one_clear_line(audio, message):
    with pytest.raises(ValueError, match=message) as error:
        music.features(audio, 16000)
    assert "\n" not in str(error.value)


def test_a_track_much_shorter_than_its_video_is_an_error():
    with pytest.raises(ValueError, match="too short, 2.00 s for 90 frames"):
        music.features(_clicks(2, 16000), 16000, num_frames=90)


def test_normalise_gives_unit_scale_and_leaves_the_beats():
    rows = music.features(_clicks(5, 16000), 16000)
    scaled = music.normalise(rows)
    assert scaled.dtype == np.float32
    assert np.abs(scaled).max() < 20 < np.abs(rows).max()
    np.testing.assert_array_equal(scaled[:, 33:], rows[:, 33:])


def test_pool_averages_bins_and_repeats_short_songs():
    rows = np.arange(6, dtype=np.float32)[:, None] * np.ones((1, 35), np.float32)
    np.testing.assert_allclose(music.pool(rows, 3)[:, 0], [0.5, 2.5, 4.5])
    np.testing.assert_allclose(music.pool(rows, 4)[:, 5], [0.5, 1.5, 3.5, 4.5])  # bins of 1.5 frames touch 2
    np.testing.assert_allclose(music.pool(rows[:2], 4)[:, 0], [0, 0, 1, 1])
    with pytest.raises(ValueError, match="0 frames into 4 bins"):
        music.pool(rows[:0], 4)


def test_a_read_only_installation_and_home_give_numba_another_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    monkeypatch.setattr(music.tempfile, "tempdir", str(tmp_path))
    music._find_cache()
    assert "NUMBA_CACHE_DIR" not in os.environ  # beside librosa there is room
    monkeypatch.setattr(music, "_writable", lambda folder: False)
    music._find_cache()
    assert os.environ.pop("NUMBA_CACHE_DIR").startswith(str(tmp_path / "xdancer_jax_numba_"))
