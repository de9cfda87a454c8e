"""Sound out of files."""

import os
import wave
from pathlib import Path

import numpy as np
import pytest

from data_pipeline import audio_files, video_files


def _tone(seconds: float, rate: int) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def _wav(path: Path, samples: np.ndarray, rate: int, width: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return path


def _frequency(audio: np.ndarray, rate: int) -> float:
    return np.abs(np.fft.rfft(audio)).argmax() * rate / len(audio)


def test_eight_bit_and_surround_are_mixed_to_mono(tmp_path):
    tone = _tone(1, 22050)
    eight = _wav(tmp_path / "8.wav", (tone * 127 + 128).astype(np.uint8)[:, None], 22050, 1)
    six = _wav(tmp_path / "6.wav", (np.repeat(tone[:, None], 6, 1) * 32767).astype(np.int16), 22050, 2)
    for path in (eight, six):
        audio = audio_files.read_audio(path, 15360)
        assert audio.dtype == np.float32 and audio.ndim == 1
        assert abs(len(audio) - 15360) < 50
        assert abs(_frequency(audio, 15360) - 440) < 2 and 0.2 < np.abs(audio).max() <= 1


def test_bad_files_are_one_line_that_names_them(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.bin: no such file"):
        audio_files.read_audio(tmp_path / "nothing.bin", 16000)
    (tmp_path / "empty.bin").touch()
    (tmp_path / "text.bin").write_text("not a medium\n" * 100)
    for name, message in (("empty.bin", "the file is empty"), ("text.bin", "")):
        with pytest.raises(ValueError, match=f"{name}: .*{message}") as error:
            audio_files.read_audio(tmp_path / name, 16000)
        assert "\n" not in str(error.value)


def test_cover_art_is_not_taken_for_a_video():
    folder = os.environ.get("XDANCER_SAMPLE_DATA")
    if not folder:
        pytest.skip("set XDANCER_SAMPLE_DATA to the sample data")
    song = Path(folder) / "audio" / "vibe_ace.ogg"
    audio = audio_files.read_audio(song, 15360)
    assert abs(len(audio) / 15360 - 61.46) < 0.1 and np.abs(audio).max() > 0.5
    with pytest.raises(ValueError, match="has no video stream"):
        next(video_files.iter_video(song))
