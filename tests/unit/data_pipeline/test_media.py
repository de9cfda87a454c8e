import io
import os
import wave
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from data_pipeline import media


def read_video(path):
    return np.stack(list(media.iter_video(path)))



def _tone(seconds: float, rate: int) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def _wav(path: Path, samples: np.ndarray, rate: int, width: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return path


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
    media.write_video(path, frames, 30, (_tone(3, 15360) * 32767).astype(np.int16), 15360)
    read, fps = read_video(path), media.video_fps(path)
    assert fps == 30 and read.shape == frames.shape
    assert np.abs(read.astype(int) - frames).mean() < 5
    audio = media.read_audio(path, 16000)
    assert abs(len(audio) / 16000 - 1.5) < 0.1  # cut with the video
    assert abs(_frequency(audio, 16000) - 440) < 2 and 0.3 < np.abs(audio).max() < 0.7
    assert os.listdir(tmp_path) == ["clip.mp4"]
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"
        assert container.streams.video[0].codec.name in ("h264", "libx264")


def test_frames_may_come_one_at_a_time(tmp_path):
    media.write_video(tmp_path / "a.mp4", iter(_frames(5)))
    assert sum(1 for _ in media.iter_video(tmp_path / "a.mp4")) == 5
    with pytest.raises(ValueError, match="a.mp4: has no audio stream"):
        media.read_audio(tmp_path / "a.mp4", 16000)


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
        media.write_video(tmp_path / "a.mp4", frames)
    assert not os.listdir(tmp_path)


def test_writing_errors_name_the_file_and_leave_no_part(tmp_path, monkeypatch):
    with pytest.raises(OSError, match="cannot write: No such file or directory.*missing/a.mp4"):
        media.write_video(tmp_path / "missing" / "a.mp4", _frames())

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device.*a.mp4"):
        media.write_video(tmp_path / "a.mp4", _frames())
    assert not os.listdir(tmp_path)


def test_eight_bit_and_surround_are_mixed_to_mono(tmp_path):
    tone = _tone(1, 22050)
    eight = _wav(tmp_path / "8.wav", (tone * 127 + 128).astype(np.uint8)[:, None], 22050, 1)
    six = _wav(tmp_path / "6.wav", (np.repeat(tone[:, None], 6, 1) * 32767).astype(np.int16), 22050, 2)
    for path in (eight, six):
        audio = media.read_audio(path, 15360)
        assert audio.dtype == np.float32 and audio.ndim == 1
        assert abs(len(audio) - 15360) < 50
        assert abs(_frequency(audio, 15360) - 440) < 2 and 0.2 < np.abs(audio).max() <= 1


def test_transparency_is_white_and_exif_turns(tmp_path):
    pixels = np.zeros((4, 6, 4), np.uint8)
    pixels[:, :3] = (255, 0, 0, 255)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    image = media.read_image(tmp_path / "a.png")
    assert image.shape == (4, 6, 3)
    assert image[0, 0].tolist() == [255, 0, 0] and image[0, 5].tolist() == [255, 255, 255]

    turned = Image.fromarray(np.zeros((40, 60, 3), np.uint8))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "a.jpg", exif=exif)
    assert media.read_image(tmp_path / "a.jpg").shape == (60, 40, 3)


@pytest.mark.parametrize("read", [media.read_image, read_video, lambda path: media.read_audio(path, 16000)])
def test_bad_files_are_one_line_that_names_them(tmp_path, read):
    with pytest.raises(FileNotFoundError, match="nothing.bin: no such file"):
        read(tmp_path / "nothing.bin")
    (tmp_path / "empty.bin").touch()
    (tmp_path / "text.bin").write_text("not a medium\n" * 100)
    for name, message in (("empty.bin", "the file is empty"), ("text.bin", "")):
        with pytest.raises(ValueError, match=f"{name}: .*{message}") as error:
            read(tmp_path / name)
        assert "\n" not in str(error.value)


def test_truncated_files_are_named(tmp_path):
    image, video = tmp_path / "a.png", tmp_path / "a.mp4"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(image)
    media.write_video(video, np.random.default_rng(0).integers(0, 255, (30, 64, 64, 3), np.uint8))
    for path, read in ((image, media.read_image), (video, read_video)):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(ValueError, match=path.name):
            read(path)


def test_jpeg_of_a_frame_is_close():
    frame = _frames(1, 64, 64)[0]
    assert np.abs(media.decode_jpeg(media.encode_jpeg(frame)).astype(int) - frame).mean() < 3
    assert Image.open(io.BytesIO(media.encode_jpeg(frame))).format == "JPEG"


def test_cover_art_is_not_taken_for_a_video():
    folder = os.environ.get("XDANCER_SAMPLE_DATA")
    if not folder:
        pytest.skip("set XDANCER_SAMPLE_DATA to the sample data")
    song = Path(folder) / "audio" / "vibe_ace.ogg"
    audio = media.read_audio(song, 15360)
    assert abs(len(audio) / 15360 - 61.46) < 0.1 and np.abs(audio).max() > 0.5
    with pytest.raises(ValueError, match="has no video stream"):
        read_video(song)
