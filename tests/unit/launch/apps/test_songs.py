"""What is heard as a song, and for how long."""

import numpy as np
import pytest
from scipy.io import wavfile

from data_pipeline.video_files import write_video
from launch.apps import songs
from launch.apps.refusals import Refused
from tests import small_app

LIMITS = small_app.LIMITS._replace(song_minutes=0.1)  # 6 s


def song(path, seconds):
    time = np.arange(int(8000 * seconds)) / 8000
    wavfile.write(path, 8000, (2e4 * np.sin(2 * np.pi * 220 * time)).astype(np.int16))
    return path


def test_songs_up_to_the_limit_are_taken(tmp_path):
    path = song(tmp_path / "song", 5.9)  # whatever its name
    songs.check(path, LIMITS), songs.check_heard(path, LIMITS)
    frames = np.zeros((30, 16, 16, 3), np.uint8)
    write_video(tmp_path / "clip.mp4", frames, 30, np.ones(8000, np.float32) / 2, 8000)
    songs.check(tmp_path / "clip.mp4", LIMITS), songs.check_heard(tmp_path / "clip.mp4", LIMITS)


def test_longer_ones_are_refused_by_what_they_say_and_by_what_there_is(tmp_path):
    path = song(tmp_path / "long.wav", 12)
    with pytest.raises(Refused, match=r"^The song lasts 0.2 minutes, and 0.1 is the most; cut it.$") as refused:
        songs.check(path, LIMITS)
    assert refused.value.field == "song"
    with pytest.raises(Refused, match=r"^The song lasts 0.2 minutes"):
        songs.check_heard(path, LIMITS)


@pytest.mark.parametrize(
    "content",
    [b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", b"ffconcat version 1.0\nfile /etc/passwd\n", b"text" * 9, b"",
     b"<?xml version='1.0'?><MPD/>", b"[playlist]\nFile1=http://127.0.0.1/\n", b"\xff",
     b"\x89PNG\r\n\x1a\n" + b"\0" * 40],
)  # fmt: skip
def test_play_lists_and_other_files_never_reach_the_decoder(tmp_path, content, monkeypatch):
    monkeypatch.setattr(songs.containers, "opened", None)
    (tmp_path / "song.mp3").write_bytes(content)
    with pytest.raises(Refused, match="This is no sound that is known here; give MP3, WAV"):
        songs.check(tmp_path / "song.mp3", LIMITS)


def test_damaged_sound_is_refused_in_a_sentence_without_a_path(tmp_path):
    (tmp_path / "song.mp3").write_bytes(b"RIFF\0\0\0\0WAVEnothing")
    with pytest.raises(Refused) as refused:
        songs.check(tmp_path / "song.mp3", LIMITS)
    assert str(tmp_path) not in str(refused.value) and str(refused.value).endswith(".")
