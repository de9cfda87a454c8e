"""Beats of a click track lie where the clicks are: from files of each codec through features to the video's sound."""

import numpy as np
import pytest

from data_pipeline import audio_files, music, video_files
from data_pipeline.music import librosa35
from tests import media

RATE = 44100
SECONDS = 8
STEADY = 6 * music.FPS  # at the end of a sound librosa's beats stray, whatever decoded it
FRAME = 1 / 30 + 1e-6  # s
FILES = {  # name -> rate, codec, container, options
    "a.mp3": (44100, "libmp3lame", None, {}),
    "a.m4a": (44100, "aac", "ipod", {}),
    "a.mp4": (44100, "aac", None, {}),
    "aac.mkv": (44100, "aac", None, {}),
    "a.opus": (48000, "libopus", "ogg", {}),
    "opus.webm": (48000, "libopus", None, {}),
    "opus.mkv": (48000, "libopus", None, {}),
    "a.ogg": (44100, "vorbis", None, {"strict": "-2"}),
    "vorbis.webm": (44100, "vorbis", None, {"strict": "-2"}),
    "mp3.mkv": (44100, "libmp3lame", None, {}),
}


def _song(rate: int) -> np.ndarray:
    """Clicks over faint noise, lest features see the encoder's own noise in digital silence; (2, N)."""
    clicks = media.clicks(SECONDS, rate)
    noise = np.random.default_rng(1).normal(size=len(clicks)) * 0.0005
    return np.stack([clicks + noise] * 2).astype(np.float32)


def _off(these: np.ndarray, those: np.ndarray) -> float:
    """By how much the one of these that is farthest from any of those is off, in seconds."""
    return np.abs(these[:, None] - those).min(axis=1).max()


@pytest.mark.parametrize("name", FILES)
def test_clicks_keep_their_time(tmp_path, name):
    rate, codec, container, options = FILES[name]
    path = media.store_sound(tmp_path / name, _song(rate), rate, codec, container, "stereo", **options)
    audio = audio_files.read_audio(path, RATE)
    np.testing.assert_allclose(media.starts(audio, RATE), media.click_times(SECONDS), atol=0.003)

    rows, beats = music.hear("librosa35", audio, RATE)
    clicks = media.click_times(6)
    onsets, beats = np.flatnonzero(rows[:STEADY, librosa35.ONSET]) / music.FPS, beats[beats < STEADY] / music.FPS
    assert _off(clicks, onsets) <= FRAME and _off(beats, clicks) <= FRAME and len(beats) == len(clicks)

    frames = np.zeros((SECONDS * 30, 16, 16, 3), np.uint8)
    video_files.write_video(tmp_path / "dance.mp4", frames, 30, audio, RATE)
    made = audio_files.read_audio(tmp_path / "dance.mp4", RATE)
    np.testing.assert_allclose(media.starts(made, RATE), media.click_times(SECONDS), atol=0.003)
