import tracemalloc

import numpy as np
import pytest

from data_pipeline import music
from data_pipeline.music import librosa35, windows
from data_pipeline.music.timing import SAMPLE_RATE
from tests import media

RATE = 16000
LENGTH = 30  # s, in place of ten minutes


def _song(seconds: float, rate: int = RATE) -> np.ndarray:
    """Clicks every half second over a chord and faint noise."""
    time = np.arange(round(seconds * rate)) / rate
    chord = sum(np.sin(2 * np.pi * pitch * time) for pitch in (220, 277, 330))
    noise = np.random.default_rng(0).normal(size=len(time))
    return (media.clicks(seconds, rate) + 0.05 * chord + 0.001 * noise).astype(np.float32)


def _blocks(audio: np.ndarray, size: int):
    return (audio[i : i + size] for i in range(0, len(audio), size))


def _heard(name, audio, rate=RATE, num_frames=None, length=LENGTH, size=4000):
    """(rows, beats) of windows of `length` seconds."""
    rows = {"librosa35": librosa35, "bailando438": music.bailando438}[name].rows
    parts = [(w.kept(rows(w.song)), w.beats()) for w in windows.of(_blocks(audio, size), rate, num_frames, length)]
    return [np.concatenate(each) for each in zip(*parts, strict=True)]


@pytest.mark.parametrize("name", ["librosa35", "bailando438"])
def test_a_long_song_is_that_of_one_window_but_for_what_is_measured_against_all_of_it(name):
    audio = _song(50)
    rows, beats = _heard(name, audio)
    whole, whole_beats = music.hear(name, audio, RATE)
    assert rows.shape == whole.shape == (1500, music.find(name).width)
    # This song keeps one tempo, one tuning and one loudness, so all is the same in any window, seams included.
    off = np.abs(music.find(name).normalise(rows) - music.find(name).normalise(whole))
    assert off.max() < 1e-4
    np.testing.assert_array_equal(beats, whole_beats)
    assert beats.dtype == np.int32 and (np.diff(beats)[:-2] == 15).all()


@pytest.mark.parametrize("seconds", [29.5, 30, 30.1, 41, 50, 50.2, 71.3])
def test_every_row_is_there_once(seconds):
    audio = np.tile(_song(10), 8)[: round(seconds * RATE)]
    found = list(windows.of(_blocks(audio, 7777), RATE, None, LENGTH))
    bounds = [(window.first, window.first + window.stop - window.start) for window in found]
    assert bounds[0][0] == 0 and bounds[-1][1] == round(seconds * 30)
    assert [stop for _, stop in bounds[:-1]] == [start for start, _ in bounds[1:]]
    assert len(found) == 1 if seconds <= LENGTH else len(found) > 1
    assert all(window.song.frames <= LENGTH * 30 for window in found)
    for window in found:  # what a window hears is the song there
        start = (window.first - window.start) * RATE // 30
        expected = windows._resampled(audio[start : start + LENGTH * RATE], RATE)
        np.testing.assert_array_equal(window.song.audio[: len(expected)], expected[: len(window.song.audio)])


@pytest.mark.parametrize("frames", [20, 890, 900, 901, 1190, 1200, 1500, 1515])
def test_exactly_the_frames_asked_for_of_a_long_song(frames):
    audio = np.tile(_song(10), 5)
    found = list(windows.of(_blocks(audio, 50_000), RATE, frames, LENGTH))
    assert sum(window.stop - window.start for window in found) == frames
    assert len(found) == 1 + (frames > 900) + (frames > 1200)


def test_blocks_of_any_size_give_the_same():
    audio = np.tile(_song(10), 4)
    first = [window.song.audio for window in windows.of(_blocks(audio, 1024), RATE, None, LENGTH)]
    other = [window.song.audio for window in windows.of([audio], RATE, None, LENGTH)]
    for one, two in zip(first, other, strict=True):
        np.testing.assert_array_equal(one, two)


def test_memory_does_not_grow_with_the_song():
    rate, block = SAMPLE_RATE, _song(10, SAMPLE_RATE)

    def peak(count):
        tracemalloc.start()
        for window in windows.of((block for _ in range(count)), rate, None, LENGTH):
            del window
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(1)  # imports
    assert peak(60) < 1.2 * peak(6)


def test_a_silent_part_of_a_long_song_is_heard_as_silence():
    audio = np.concatenate([_song(20), np.zeros(60 * RATE, np.float32), _song(20)])
    rows, beats = _heard("librosa35", audio)
    assert rows.shape == (3000, 35) and np.isfinite(rows).all()
    assert not rows[1000:2000, [0, 33, 34]].any() and len(beats) > 60


@pytest.mark.parametrize("length", [windows.WINDOW, 25])
@pytest.mark.parametrize(
    ("audio", "frames", "message"),
    [
        (np.zeros(0, np.float32), None, "empty"),
        (np.zeros((2, 16000), np.float32), None, "mono"),
        (np.zeros(16000, np.int16), None, "expected float"),
        (np.full(16000, 9e-5, np.float32), None, "silent"),
        (np.full(30 * 16000, 9e-5, np.float32), None, "silent"),
        (np.full(30 * 16000, 9e-5, np.float32), 60, "silent"),
        (np.where(np.arange(16000) == 7, np.nan, 0.5), None, "NaN"),
        (np.ones(4000, np.float32), None, "too short, 0.25 s"),
        (np.ones(2 * 16000, np.float32), 90, r"too short, 2.00 s for 90 frames \(3.00 s\)"),
        (np.ones(30 * 16000, np.float32), 930, r"too short, 30.00 s for 930 frames \(31.00 s\)"),
    ],
)
def test_audio_that_cannot_be_used_is_one_clear_line(audio, frames, message, length):
    with pytest.raises(ValueError, match=message) as error:
        list(windows.of([audio], 16000, frames, length))
    assert "\n" not in str(error.value)


def test_a_rate_that_is_none_is_refused():
    with pytest.raises(ValueError, match="sample_rate: 0 is not a rate"):
        music.beats(np.ones(16000, np.float32), 0)


def test_of_a_song_in_one_block_windows_are_copied_and_not_all_of_it(monkeypatch):
    monkeypatch.setattr(windows, "_resampled", lambda audio, rate: audio)  # librosa's import would be traced too
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, 400 * SAMPLE_RATE).astype(np.float32)
    tracemalloc.start()
    try:
        count = sum(1 for _ in windows.of([audio], SAMPLE_RATE, length=LENGTH))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 38 and peak < audio.nbytes / 2
