import dataclasses
import json
import subprocess
import sys

import librosa
import numpy as np
import pytest

from data_pipeline import music
from data_pipeline.music import bailando438, librosa35
from data_pipeline.music.timing import SAMPLE_RATE


def _clicks(seconds: float, rate: int, period: float = 0.5, start: float = 0.4) -> np.ndarray:
    """Decaying noise bursts at start, start + period, ..."""
    rng = np.random.default_rng(0)
    audio = 0.002 * rng.normal(size=int(seconds * rate))
    burst = rng.normal(size=rate // 10) * np.exp(-np.arange(rate // 10) / (0.02 * rate)) * 0.5
    for time in np.arange(start, seconds - 0.2, period):
        audio[int(time * rate) :][: len(burst)] += burst
    return audio.astype(np.float32)


def _one_hot(frames, count):
    return np.isin(np.arange(count), frames)


def test_librosa35_is_librosa_called_for_each_feature_alone():
    audio = _clicks(5, SAMPLE_RATE)
    rows, beats = music.hear("librosa35", audio, SAMPLE_RATE)
    envelope = librosa.onset.onset_strength(y=audio, sr=15360)
    tempo = librosa.feature.tempo(onset_envelope=envelope, sr=15360)[0]
    tracked = librosa.beat.beat_track(onset_envelope=envelope, sr=15360, start_bpm=tempo, tightness=100)[1]
    onsets = librosa.onset.onset_detect(onset_envelope=envelope, sr=15360)
    assert rows.shape == (150, 35) and rows.dtype == np.float32 and beats.dtype == np.int32
    np.testing.assert_array_equal(rows[:, librosa35.ENVELOPE], envelope[:150])
    np.testing.assert_array_equal(
        rows[:, librosa35.MFCC], librosa.feature.mfcc(y=audio, sr=15360, n_mfcc=20).T[:150]
    )
    np.testing.assert_array_equal(rows[:, librosa35.CHROMA], librosa.feature.chroma_cens(y=audio, sr=15360).T[:150])
    np.testing.assert_array_equal(rows[:, librosa35.ONSET], _one_hot(onsets, 150))
    np.testing.assert_array_equal(rows[:, librosa35.BEAT], _one_hot(tracked, 150))
    np.testing.assert_array_equal(beats, tracked[tracked < 150])
    assert len(beats) >= 6


def test_bailando438_is_librosa_called_for_each_feature_alone():
    """The recipe of Bailando: its mel spectrogram is of decibels below the loudest, chroma are of the harmonic part,
    onsets, beats and tempogram of the percussive one."""
    audio = _clicks(15, SAMPLE_RATE)
    rows, beats = music.hear("bailando438", audio, SAMPLE_RATE)
    mel = librosa.power_to_db(librosa.feature.melspectrogram(y=audio, sr=15360), ref=np.max)
    mfcc = librosa.feature.mfcc(S=mel)
    harmonic, percussive = librosa.effects.hpss(audio)
    envelope = librosa.onset.onset_strength(y=percussive, sr=15360, aggregate=np.median)
    tracked = librosa.beat.beat_track(onset_envelope=envelope, sr=15360)[1]
    tempogram = librosa.feature.tempogram(onset_envelope=envelope, sr=15360, win_length=384)
    assert rows.shape == (450, 438) and rows.dtype == np.float32
    np.testing.assert_array_equal(rows[:, :20], mfcc.T[:450])
    np.testing.assert_array_equal(rows[:, 20:40], librosa.feature.delta(mfcc, width=3).T[:450])
    np.testing.assert_array_equal(rows[:, 40:52], librosa.feature.chroma_cqt(y=harmonic, sr=15360).T[:450])
    np.testing.assert_array_equal(rows[:, 52], envelope[:450])
    np.testing.assert_array_equal(rows[:, 53], _one_hot(tracked, 450))
    np.testing.assert_allclose(rows[:, 54:], tempogram.T[:450], rtol=0, atol=1e-7)  # of float64
    assert bailando438.BEAT == 53 and rows[:, 53].sum() >= 20
    np.testing.assert_array_equal(beats, music.beats(audio, SAMPLE_RATE))  # those of any set, of the whole sound


@pytest.mark.parametrize("name", ["librosa35", "bailando438"])
def test_rows_lie_on_video_time_after_resampling(name):
    audio = _clicks(8, 44100)
    rows, beats = music.hear(name, audio, 44100, num_frames=240)
    bursts = np.arange(0.4, 7.8, 0.5) * 30
    if name == "librosa35":
        onsets = np.flatnonzero(rows[:, librosa35.ONSET])
        late = onsets[onsets > 5, None] - bursts  # librosa moves onsets to the end of the rise: up to 2 frames late
        late = np.where(late >= 0, late, np.inf).min(axis=1)
        assert len(late) >= len(bursts) and late.max() < 2.5
    assert np.abs(beats[:, None] - bursts).min(axis=1).max() < 2.5 and (np.diff(beats) == 15).all()
    np.testing.assert_array_equal(beats, music.beats(audio, 44100, 240))


@pytest.mark.parametrize("name", ["librosa35", "bailando438"])
@pytest.mark.parametrize("frames", [15, 100, 120, 134])
def test_exactly_the_frames_asked_for(name, frames):
    rows, beats = music.hear(name, _clicks(4, 16000), 16000, num_frames=frames)
    assert rows.shape == (frames, music.find(name).width) and (beats < frames).all()
    assert np.isfinite(rows).all()


@pytest.mark.parametrize("name", ["librosa35", "bailando438"])
def test_normalised_rows_have_unit_scale_and_the_beats_stay(name):
    rows = music.extract(name, _clicks(5, 16000), 16000)
    scaled = music.find(name).normalise(rows)
    assert scaled.dtype == np.float32
    assert np.abs(scaled).max() < 20 < np.abs(rows).max()
    one_hots = {"librosa35": [librosa35.ONSET, librosa35.BEAT], "bailando438": [bailando438.BEAT]}[name]
    np.testing.assert_array_equal(scaled[:, one_hots], rows[:, one_hots])
    assert rows[:, one_hots].any(axis=0).all()


def test_a_song_in_blocks_is_its_whole():
    audio = _clicks(5, 16000)

    def blocks():
        yield from (audio[:100], audio[100:70_000], audio[70_000:])

    heard = music.hear("librosa35", blocks(), 16000)
    rows, beats = music.hear("librosa35", audio, 16000)
    np.testing.assert_array_equal(heard.rows, rows)
    np.testing.assert_array_equal(heard.beats, beats)
    np.testing.assert_array_equal(music.beats(blocks(), 16000), beats)


def test_an_unknown_set_is_named_before_the_song_is_looked_at():
    for use in (music.find, lambda name: music.extract(name, np.zeros(0), 16000)):
        with pytest.raises(ValueError, match="'jukebox4800': not computed here; choose one of librosa35, bailando438"):
            use("jukebox4800")


def test_built_in_sets_are_what_data_sets_write_down():
    for name in ("librosa35", "bailando438"):
        found = music.find(name)
        assert found.name == name and len(found.offset) == len(found.scale) == found.width
        assert type(found).from_json(json.loads(json.dumps(found.to_json()))) == found
        assert found != dataclasses.replace(found, version="0")


def test_importing_the_clock_brings_in_no_librosa():
    code = "import sys; from data_pipeline.music import FPS; assert not {'librosa', 'av'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True)
