"""Video in and out of files."""

import os

import av
import numpy as np
import pytest

from data_pipeline import audio_files, video_files


def read_video(path):
    return np.stack(list(video_files.iter_video(path)))


def _tone(seconds: float, rate: int) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def _frames(count: int = 12, height: int = 48, width: int = 32) -> np.ndarray:
    frames = np.full((count, height, width, 3), 60, np.uint8)
    for i, frame in enumerate(frames):
        frame[:, 2 * i : 2 * i + 8] = (220, 120, 40)
    return frames


def _frequency(audio: np.ndarray, rate: int) -> float:
    return np.abs(np.fft.rfft(audio)).argmax() * rate / len(audio)


def test_video_and_sound_come_back(tmp_path):
    path = tmp_path / "clip.mp4"
    frames = _frames(45)
    video_files.write_video(path, frames, 30, (_tone(3, 15360) * 32767).astype(np.int16), 15360)
    read, fps = read_video(path), video_files.video_fps(path)
    assert fps == 30 and read.shape == frames.shape
    assert np.abs(read.astype(int) - frames).mean() < 5
    audio = audio_files.read_audio(path, 16000)
    assert abs(len(audio) / 16000 - 1.5) < 0.1  # cut with the video
    assert abs(_frequency(audio, 16000) - 440) < 2 and 0.3 < np.abs(audio).max() < 0.7
    assert os.listdir(tmp_path) == ["clip.mp4"]
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"
        assert container.streams.video[0].codec.name in ("h264", "libx264")


def test_frames_may_come_one_at_a_time(tmp_path):
    video_files.write_video(tmp_path / "a.mp4", iter(_frames(5)))
    assert sum(1 for _ in video_files.iter_video(tmp_path / "a.mp4")) == 5
    with pytest.raises(ValueError, match="a.mp4: has no audio stream"):
        audio_files.read_audio(tmp_path / "a.mp4", 16000)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((2, 15, 16, 3), np.uint8), "even height and width, got 15x16"),
        (np.zeros((0, 16, 16, 3), np.uint8), "no frames"),
        (np.zeros((2, 16, 16, 3), np.float32), "frame 0 is float32"),
        ([np.zeros((16, 16, 3), np.uint8), np.zeros((16, 18, 3), np.uint8)], "frame 1 is uint8"),
    ],
)
def test_a_video_that_cannot_be_written_leaves_nothing(tmp_path, frames, message):
    with pytest.raises(ValueError, match=message):
        video_files.write_video(tmp_path / "a.mp4", frames)
    assert not os.listdir(tmp_path)


def test_writing_errors_name_the_file_and_leave_no_part(tmp_path, monkeypatch):
    with pytest.raises(OSError, match="cannot write: No such file or directory.*missing/a.mp4"):
        video_files.write_video(tmp_path / "missing" / "a.mp4", _frames())

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device.*a.mp4"):
        video_files.write_video(tmp_path / "a.mp4", _frames())
    assert not os.listdir(tmp_path)


def test_bad_files_are_one_line_that_names_them(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.bin: no such file"):
        read_video(tmp_path / "nothing.bin")
    (tmp_path / "empty.bin").touch()
    (tmp_path / "text.bin").write_text("not a medium\n" * 100)
    for name, message in (("empty.bin", "the file is empty"), ("text.bin", "")):
        with pytest.raises(ValueError, match=f"{name}: .*{message}") as error:
            read_video(tmp_path / name)
        assert "\n" not in str(error.value)


def test_a_truncated_file_is_named(tmp_path):
    path = tmp_path / "a.mp4"
    video_files.write_video(path, np.random.default_rng(0).integers(0, 255, (30, 64, 64, 3), np.uint8))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=path.name):
        read_video(path)
