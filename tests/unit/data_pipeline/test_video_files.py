"""Video in and out of files."""

import os
from fractions import Fraction

import av
import numpy as np
import pytest

from data_pipeline import audio_files, video_files
from data_pipeline.frame_times import constant_fps


def read_video(path):
    return np.stack([frame.picture for frame in video_files.iter_video(path)])


def times_of(path):
    return np.array([frame.seconds for frame in video_files.iter_video(path)])


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
    read, times = read_video(path), times_of(path)
    assert constant_fps(times) == 30 and read.shape == frames.shape
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


def test_a_file_without_its_index_is_named(tmp_path):
    path = tmp_path / "a.mp4"
    video_files.write_video(path, np.random.default_rng(0).integers(0, 255, (30, 64, 64, 3), np.uint8))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])  # MP4's index comes last
    with pytest.raises(ValueError, match="a.mp4: cannot be decoded as video"):
        read_video(path)


def _encode(path, codec, pictures, rate=25, pts=None, aspect=None, **options):
    """A file by PyAV itself, so that the reader is held against something other than our writer."""
    with av.open(str(path), "w", container_options=options) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if aspect:
            stream.codec_context.sample_aspect_ratio = Fraction(*aspect)
        if pts is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for i, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if pts is not None:
                frame.pts, frame.time_base = pts[i], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


NOISE = np.random.default_rng(0).integers(0, 255, (40, 48, 64, 3), np.uint8)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.mov"])
def test_a_variable_rate_keeps_each_frames_time(tmp_path, name):
    pts = np.cumsum([500, *np.random.default_rng(1).integers(5, 200, 39)])  # the first is not at 0
    _encode(tmp_path / name, "libx264", NOISE, pts=pts.tolist())
    np.testing.assert_allclose(times_of(tmp_path / name), (pts - 500) / 1000, atol=1.1e-3)


def test_given_times_are_those_of_the_written_video(tmp_path):
    times = np.cumsum([0, *np.random.default_rng(2).uniform(0.005, 0.2, 39)])
    video_files.write_video(tmp_path / "a.mp4", NOISE, 12, _tone(20, 16000), 16000, times=times)
    np.testing.assert_allclose(times_of(tmp_path / "a.mp4"), times, atol=1e-4)
    sound = audio_files.read_audio(tmp_path / "a.mp4", 16000)
    assert len(sound) / 16000 == pytest.approx(times[-1] + 1 / 12, abs=0.1)


def test_every_frame_needs_a_time(tmp_path):
    with pytest.raises(ValueError, match="times: 39 for more frames"):
        video_files.write_video(tmp_path / "a.mp4", NOISE, times=np.arange(39) / 30)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(("name", "codec"), [("a.h264", "libx264"), ("a.avi", "mpeg4")])
def test_frames_without_times_follow_the_stated_rate(tmp_path, name, codec):
    _encode(tmp_path / name, codec, NOISE)
    np.testing.assert_allclose(times_of(tmp_path / name), np.arange(40) / 25, atol=1e-6)


@pytest.mark.parametrize(("aspect", "width"), [((4, 3), 85), ((8, 9), 57), ((100, 101), 64)])
def test_pixels_become_square(tmp_path, aspect, width):
    _encode(tmp_path / "a.mp4", "libx264", NOISE[:3], aspect=aspect)
    assert read_video(tmp_path / "a.mp4").shape == (3, 48, width, 3)


def test_pixels_of_no_possible_shape_are_refused(tmp_path):
    _encode(tmp_path / "a.mp4", "libx264", NOISE[:3], aspect=(5, 1))
    with pytest.raises(ValueError, match="a.mp4: states pixels 5 times as wide as high"):
        read_video(tmp_path / "a.mp4")


@pytest.mark.parametrize(("name", "codec", "options"), [
    ("a.mp4", "libx264", {"movflags": "faststart"}), ("a.mkv", "libx264", {}), ("a.webm", "libvpx", {}),
    ("a.avi", "mpeg4", {}),
])  # fmt: skip
def test_a_file_that_is_cut_off_gives_what_is_there_and_tells(tmp_path, name, codec, options, caplog):
    path = tmp_path / name
    _encode(path, codec, NOISE, **options)
    assert len(read_video(path)) == 40 and not caplog.records
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    troubles = []
    shown = len(list(video_files.iter_video(path, troubles.append)))
    assert 5 < shown < 30
    [trouble] = troubles
    assert trouble.lost == 40 - shown
    assert trouble.text == f"{path}: the file is cut off or damaged: {shown} of 40 frames are there"
    read_video(path)
    assert [record.message for record in caplog.records] == [trouble.text]


def test_a_change_of_size_is_told_and_scaled_into_the_first(tmp_path):
    wide = np.full((5, 48, 64, 3), 200, np.uint8)
    for name, pictures in (("a.h264", wide), ("b.h264", np.full((5, 64, 48, 3), 200, np.uint8))):
        _encode(tmp_path / name, "libx264", pictures)
    both = tmp_path / "both.h264"
    both.write_bytes((tmp_path / "a.h264").read_bytes() + (tmp_path / "b.h264").read_bytes())
    troubles = []
    pictures = np.stack([frame.picture for frame in video_files.iter_video(both, troubles.append)])
    assert pictures.shape == (10, 48, 64, 3)
    assert [x.text for x in troubles] == [
        f"{both}: its pictures are 48x64 at first and 64x48 from frame 5 on; all are scaled into the first size"
    ]
    assert pictures[7, :, 14:50].min() > 150 and pictures[7, :, :13].max() == 0  # 36 wide, in the middle


def test_packets_that_do_not_decode_are_left_out_and_counted(tmp_path):
    path = tmp_path / "a.mkv"
    _encode(path, "mjpeg", NOISE)
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux() if packet.size]
    content = path.read_bytes()
    for packet in (packets[4], packets[9]):
        content = content.replace(packet, bytes(len(packet)))
    path.write_bytes(content)
    troubles = []
    frames = list(video_files.iter_video(path, troubles.append))
    assert len(frames) == 38 and frames[4].seconds == pytest.approx(5 / 25)
    assert [(x.lost, x.text) for x in troubles] == [
        (2, f"{path}: the file is cut off or damaged: 38 of 40 frames are there")
    ]


def test_a_codec_that_is_not_known_and_tags_of_another_encoding(tmp_path):
    path = tmp_path / "a: 1.mp4"
    video_files.write_video(path, NOISE)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"isom", b"is\xf6m"))
    assert len(read_video(path)) == 40
    path.write_bytes(content.replace(b"avc1", b"zzzz"))
    with pytest.raises(ValueError, match="a: 1.mp4: its video is of a codec that is not known here"):
        read_video(path)


def test_a_picture_too_large_for_memory_is_not_decoded(tmp_path, monkeypatch):
    _encode(tmp_path / "a.mp4", "libx264", NOISE[:3])
    monkeypatch.setattr(video_files, "_MOST_PIXELS", 48 * 64 - 1)
    with pytest.raises(ValueError, match="a.mp4: its pictures of 48x64 are too large; scale them down"):
        read_video(tmp_path / "a.mp4")
    monkeypatch.undo()
    for name, size in (("a.h264", (16, 16)), ("b.h264", (256, 256))):
        _encode(tmp_path / name, "libx264", np.zeros((3, *size, 3), np.uint8))
    both = tmp_path / "both.h264"
    both.write_bytes((tmp_path / "a.h264").read_bytes() + (tmp_path / "b.h264").read_bytes())
    monkeypatch.setattr(video_files, "_MOST_PIXELS", 160 * 160)
    assert read_video(both).shape == (3, 16, 16, 3)  # the large ones that follow do not decode


def test_an_odd_size_becomes_even():
    picture = np.arange(15 * 5 * 3, dtype=np.uint8).reshape(15, 5, 3)
    padded = video_files.even(picture)
    assert padded.shape == (16, 6, 3)
    np.testing.assert_array_equal(padded[:15, :5], picture)
    np.testing.assert_array_equal(video_files.even(padded), padded)
