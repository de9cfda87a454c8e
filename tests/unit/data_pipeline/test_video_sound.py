"""Clicks lie on the frames that flash, from files of each codec through sound and features."""

import os
import re
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from data_pipeline import audio_files, music, video_files, video_sound
from tests import media

RATE, SECONDS, FRAME = 44_100, 8, 1 / 30 + 1e-6
STEADY = SECONDS - 2  # s: at the end of a sound librosa's beats stray
FILES = {  # name -> codec, its rate, codec of the pictures, options
    "aac.mp4": ("aac", 44100, "libx264", {}),
    "aac.mov": ("aac", 48000, "libx264", {}),
    "aac.mkv": ("aac", 44100, "libx264", {}),
    "aac.ts": ("aac", 44100, "libx264", {}),
    "vbr_mp3.mkv": ("libmp3lame", 44100, "libx264", {"compression_level": "2", "q": "4", "flags": "+qscale"}),
    "vbr_mp3.mp4": ("libmp3lame", 44100, "libx264", {"compression_level": "2", "q": "4", "flags": "+qscale"}),
    "opus.webm": ("libopus", 48000, "libvpx", {}),
    "opus.mkv": ("libopus", 48000, "libx264", {}),
    "opus.mp4": ("libopus", 48000, "libx264", {}),
    "vorbis.webm": ("vorbis", 44100, "libvpx", {"strict": "-2"}),
    "vorbis.mkv": ("vorbis", 44100, "libx264", {"strict": "-2"}),
}
STARTS = {  # of the sound and of the pictures, s
    "together": (0, 0), "sound late": (0.731, 0), "pictures late": (0, 1.3), "both late": (2.031, 1.3),
}


def _read(path, *arguments) -> np.ndarray:
    return np.concatenate(list(video_sound.read_blocks(path, *arguments)))


def _times(seconds=SECONDS) -> np.ndarray:
    """Of frames: of varying rate, with one at every click."""
    rng, clicks = np.random.default_rng(0), media.click_times(seconds)
    times = [0.0]
    while times[-1] < seconds - 0.1:
        after = times[-1] + rng.choice([1 / 60, 1 / 30, 1 / 15])
        ahead = clicks[clicks > times[-1] + 1e-9]
        times.append(min(after, ahead[0]) if len(ahead) else after)
    return np.array(times)


def _film(path, codec, rate, video_codec="libx264", sound_from=0.0, video_from=0.0, seconds=SECONDS, **options):
    """Clicks on the clock of the pictures, of which those are heard for which the sound begins early enough."""
    whole = media.clicks(SECONDS + 4, rate) + np.random.default_rng(1).normal(size=(SECONDS + 4) * rate) * 0.0005
    first = round((sound_from - video_from) * rate)
    sound = np.concatenate([np.zeros(max(0, -first)), whole[max(0, first) :]])[: round(seconds * rate)]
    return media.store_film(
        path, codec, rate, sound, _times(), media.click_times(SECONDS), sound_from=sound_from, video_from=video_from,
        video_codec=video_codec, **options,
    )


def _flashes(path) -> np.ndarray:
    """When frames are white, in seconds from the first frame."""
    return np.array([frame.seconds for frame in video_files.iter_video(path) if frame.picture.mean() > 128])


def _off(these: np.ndarray, those: np.ndarray) -> float:
    """By how much the one of these that is farthest from any of those is off, in seconds."""
    return np.abs(these[:, None] - those).min(axis=1).max()


@pytest.mark.parametrize("starts", STARTS)
@pytest.mark.parametrize("name", FILES)
def test_every_click_is_heard_when_its_frame_is_shown(tmp_path, name, starts):
    codec, rate, pictures, options = FILES[name]
    path = _film(tmp_path / name, codec, rate, pictures, *STARTS[starts], seconds=SECONDS + 1.3, **options)
    told = []
    audio = _read(path, RATE, told.append)
    heard, flashes = media.starts(audio, RATE), _flashes(path)
    late = STARTS[starts][0] - STARTS[starts][1]
    expected = flashes[flashes > late + 0.02]
    assert len(expected) >= 14 and _off(expected, heard) < 0.004 and _off(heard, expected) < 0.004
    assert len(audio) / RATE == pytest.approx(_times()[-1], abs=0.1)
    assert [text for text in told if "late; silence" in text.text] == told[: late > 0.1]

    rows, beats = music.hear("librosa35", audio, RATE)
    assert len(rows) == round(len(audio) / RATE * 30)
    beats = beats[(beats / 30 > late + 0.1) & (beats < STEADY * 30)] / 30
    assert len(beats) >= 9 and _off(beats, flashes) <= FRAME


@pytest.mark.parametrize(("seconds", "message"), [(5, "ends 2.9. s before its pictures; silence follows"),
                                                  (11, "ends 3.0. s after its pictures; that is cut off")])
def test_sound_of_another_length_is_cut_or_padded_and_told(tmp_path, seconds, message):
    path, told = _film(tmp_path / "a.mp4", "aac", RATE, seconds=seconds), []
    audio = _read(path, RATE, told.append)
    assert len(audio) / RATE == pytest.approx(_times()[-1], abs=0.1)
    heard = media.starts(audio, RATE)
    assert _off(heard, media.click_times(SECONDS)) < 0.004 and len(heard) == (10 if seconds == 5 else 16)
    if seconds == 5:
        assert not np.abs(audio[round(5.1 * RATE) :]).any()
    [trouble] = told
    assert trouble.text.startswith(f"{path}: its sound ")
    assert re.search(message, trouble.text)


def test_pictures_that_come_late_cut_the_sound_and_say_so(tmp_path, caplog):
    _read(_film(tmp_path / "a.mkv", "aac", RATE, sound_from=0, video_from=1.3), RATE)
    assert "its sound starts 1.30 s early; that is cut off" in caplog.text


def _trimmed(path, out, begin: float):
    """A copy without decoding that is shown from `begin` seconds on, by edit lists of both tracks."""
    with av.open(str(path)) as file, av.open(str(out), "w", options={"movflags": "+faststart"}) as copy:
        streams = {stream.index: copy.add_stream_from_template(stream) for stream in file.streams}
        for packet in file.demux():
            if packet.dts is not None:
                shift = round(Fraction(begin).limit_denominator(1000) / packet.time_base)
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = streams[packet.stream.index]
                copy.mux(packet)
    return out


@pytest.mark.parametrize("begin", [1.2, 2.7])  # a frame is shown then: the muxer moves others to the start
def test_an_edit_list_cuts_sound_and_pictures_alike(tmp_path, begin):
    path = _trimmed(_film(tmp_path / "whole.mp4", "aac", RATE), tmp_path / "a.mp4", begin)
    flashes, heard = _flashes(path), media.starts(_read(path, RATE), RATE)
    assert len(flashes) == np.sum(media.click_times(SECONDS) > begin - 0.01)
    assert _off(flashes, heard) < 0.01 and _off(heard, flashes) < 0.01


def test_sound_and_pictures_without_a_common_time_are_refused(tmp_path):
    path = media.store_film(tmp_path / "a.mkv", "aac", RATE, media.clicks(2), np.arange(60) / 30, sound_from=5)
    with pytest.raises(ValueError, match=r"a\.mkv: its sound, 2\.0\d s from 5\.0. s on, .* at 2\.0. s; give the song"):
        _read(path, RATE)


def test_a_video_without_sound_and_a_sound_without_video_are_named(tmp_path):
    video_files.write_video(tmp_path / "a.mp4", np.zeros((30, 16, 16, 3), np.uint8))
    with pytest.raises(ValueError, match=r"a\.mp4: has no audio stream"):
        _read(tmp_path / "a.mp4", RATE)
    media.store_sound(tmp_path / "b.m4a", media.clicks(2)[None], RATE, "aac", "ipod")
    with pytest.raises(ValueError, match=r"b\.m4a: has no video stream"):
        _read(tmp_path / "b.m4a", RATE)
    with pytest.raises(FileNotFoundError):
        _read(tmp_path / "c.mp4", RATE)


def test_a_video_that_we_wrote_has_its_sound_as_it_was(tmp_path):
    sound = media.clicks(4, RATE)
    video_files.write_video(tmp_path / "a.mp4", np.zeros((120, 16, 16, 3), np.uint8), 30, sound, RATE)
    audio = _read(tmp_path / "a.mp4", RATE)
    assert len(audio) == 4 * RATE
    np.testing.assert_allclose(media.starts(audio, RATE), media.click_times(4), atol=0.003)
    assert audio_files.read_blocks(tmp_path / "a.mp4", RATE).start == 0


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("trimmed_edit_list.mp4", 2.0), ("browser_recording.webm", 2.13), ("odd_size.webm", None)],
)
def test_real_videos_last_as_long_as_their_frames(name, seconds):
    folder = os.environ.get("XDANCER_SAMPLE_DATA")
    if not folder:
        pytest.skip("needs the real files: XDANCER_SAMPLE_DATA is not set")
    path = Path(folder) / "cases" / name
    begin, end = video_sound._shown(path)
    times = [frame.seconds for frame in video_files.iter_video(path)]
    assert 0 < end - begin - times[-1] < 2.5 * np.median(np.diff(times))
    assert seconds is None or end - begin == pytest.approx(seconds, abs=0.1)
