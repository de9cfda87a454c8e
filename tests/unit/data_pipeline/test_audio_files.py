"""Sound out of files."""

import os
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from data_pipeline import audio_files, music, video_files
from tests import media


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
        assert abs(_frequency(audio, 15360) - 440) < 2 and np.abs(audio).max() == pytest.approx(0.5, abs=0.01)


def _twin(path, layout, gains):
    channels = np.float32(gains)[:, None] * media.clicks()
    return media.store_sound(path, channels, 44100, "flac", layout=layout)


@pytest.mark.parametrize(
    ("layout", "gains"), [("stereo", (1, 1)), ("stereo", (0, 1)), ("5.1", (1,) * 6), ("5.1", (0, 0, 1, 0, 0, 0))]
)
def test_features_are_those_of_the_mono_twin(tmp_path, layout, gains):
    mono = audio_files.read_audio(_twin(tmp_path / "mono.flac", "mono", (1,)), 44100)
    twin = audio_files.read_audio(_twin(tmp_path / "twin.flac", layout, gains), 44100)
    np.testing.assert_allclose(twin, mono, atol=1e-6)
    rows = [music.extract("librosa35", audio, 44100) for audio in (mono, twin)]
    np.testing.assert_allclose(*rows, atol=1e-2 if layout == "5.1" else 0)


def test_loud_channels_are_not_distorted(tmp_path):
    tone = 0.9 * np.sin(2 * np.pi * 440 * np.arange(2 * 44100) / 44100)
    audio = audio_files.read_audio(media.store_sound(tmp_path / "a.flac", np.stack([tone] * 2), 44100, "flac",
                                                     layout="stereo"), 44100)  # fmt: skip
    power = np.abs(np.fft.rfft(audio)) ** 2
    assert np.abs(audio).max() == pytest.approx(0.9, abs=1e-3)
    assert np.sqrt(1 - power.max() / power.sum()) < 0.01


def test_channels_that_cancel_out_are_told_from_silence(tmp_path, caplog):
    audio = audio_files.read_audio(_twin(tmp_path / "a.flac", "stereo", (-0.3, 1)), 44100)
    assert np.abs(audio).max() == pytest.approx(np.abs(media.clicks()).max() * 0.35, abs=1e-3)  # not one's negative
    assert not caplog.records
    audio = audio_files.read_audio(_twin(tmp_path / "b.flac", "stereo", (1, -1)), 44100)
    np.testing.assert_allclose(np.abs(audio), np.abs(media.clicks()), atol=1e-4)
    assert "b.flac: its channels cancel each other out" in caplog.text


def _damaged(path, damage, at=0.5):
    content = bytearray(path.read_bytes())
    place = int(at * len(content))
    content[place : place + len(damage)] = damage
    path.write_bytes(content)


DAMAGED = {  # name -> codec, container, bytes overwritten, rate
    "a.mp3": ("libmp3lame", None, 700, 44100),
    "a.m4a": ("aac", "ipod", 40, 44100),
    "a.opus": ("libopus", "ogg", 40, 48000),
    "flac.ogg": ("flac", None, 40, 44100),
    "a.flac": ("flac", None, 500, 44100),
    "a.webm": ("libopus", None, 40, 48000),
    "a.ts": ("aac", "mpegts", 376, 44100),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_leaves_later_sounds_in_place(tmp_path, caplog, name):
    codec, container, size, rate = DAMAGED[name]
    clicks, noise = media.clicks(20, rate), np.random.default_rng(1).normal(size=20 * rate) * 0.003
    path = media.store_sound(tmp_path / name, (clicks + noise)[None], rate, codec, container)
    whole = audio_files.read_audio(path, 44100)
    assert not caplog.records
    _damaged(path, np.random.default_rng(0).bytes(size))
    audio = audio_files.read_audio(path, 44100)
    told = name in ("a.webm", "a.ts") or f"{name}: damaged" in caplog.text  # their decoders take any bytes for sound
    assert told
    assert abs(len(audio) - len(whole)) < 0.05 * 44100
    before, after = (media.starts(sound, 44100) for sound in (whole, audio))
    near = np.abs(before[:, None] - after).min(axis=1) < 0.06
    assert len(before) == 40 and near[:12].all() and near[-12:].all() and near.sum() >= 32


def test_bytes_put_in_between_take_no_time(tmp_path):
    path = media.store_sound(tmp_path / "a.mp3", media.clicks()[None], 44100, "libmp3lame")
    content = path.read_bytes()
    path.write_bytes(content[:20_000] + np.random.default_rng(0).bytes(5_000) + content[20_000:])
    audio = audio_files.read_audio(path, 44100)
    assert abs(len(audio) / 44100 - 6) < 0.06
    np.testing.assert_allclose(media.starts(audio, 44100)[-5:], media.click_times()[-5:], atol=0.06)


def test_rate_and_layout_may_change_midway(tmp_path):
    parts = [
        media.store_sound(tmp_path / "1.mp3", media.clicks(3)[None], 44100, "libmp3lame").read_bytes(),
        media.store_sound(tmp_path / "2.mp3", np.stack([media.clicks(3, 48000)] * 2), 48000, "libmp3lame",
                          layout="stereo").read_bytes(),
    ]  # fmt: skip
    (tmp_path / "a.mp3").write_bytes(b"".join(parts))
    audio = audio_files.read_audio(tmp_path / "a.mp3", 44100)
    times = np.concatenate([media.click_times(3), 3 + media.click_times(3)])
    np.testing.assert_allclose(media.starts(audio, 44100), times, atol=0.09)  # the second part's delay is not known
    levels = [np.abs(part).max() for part in np.array_split(audio, 2)]
    assert levels[0] == pytest.approx(levels[1], rel=0.1)


def test_links_of_a_chain_follow_each_other(tmp_path):
    links = [
        media.store_sound(tmp_path / f"{rate}.ogg", media.clicks(3, rate)[None], rate, "flac").read_bytes()
        for rate in (44100, 48000)
    ]
    (tmp_path / "chain.ogg").write_bytes(b"".join(links))
    audio = audio_files.read_audio(tmp_path / "chain.ogg", 44100)
    assert len(audio) == pytest.approx(6 * 44100, abs=9)
    times = np.concatenate([media.click_times(3), 3 + media.click_times(3)])
    np.testing.assert_allclose(media.starts(audio, 44100), times, atol=0.003)


@pytest.mark.parametrize(("name", "codec"), [("a.mp3", "libmp3lame"), ("a.aac", "aac")])
def test_a_guessed_length_is_not_believed(tmp_path, caplog, name, codec):
    """The first frames hold silence, and few bytes: FFmpeg takes the file for much longer."""
    sound = np.concatenate([np.zeros(2 * 44100), 0.3 * np.random.default_rng(0).normal(size=4 * 44100)])
    variable = {"global_quality": str(118 * 2), "flags": "+qscale", "write_xing": "0"}
    options = variable if codec == "libmp3lame" else {}
    path = media.store_sound(tmp_path / name, sound[None], 44100, codec, **options)
    audio = audio_files.read_audio(path, 44100)
    assert len(audio) / 44100 == pytest.approx(6, abs=0.1) and not caplog.records
    assert media.starts(audio, 44100)[0] == pytest.approx(2, abs=0.06)


@pytest.mark.parametrize(
    ("name", "codec", "container"),
    [("a.mp3", "libmp3lame", None), ("a.flac", "flac", None), ("a.mka", "libopus", "matroska")],
)
def test_a_file_that_lost_much_is_refused(tmp_path, name, codec, container):
    rate = 48000 if "opus" in codec else 44100
    noise = 0.3 * np.random.default_rng(0).normal(size=(1, 10 * rate))
    path = media.store_sound(tmp_path / name, noise, rate, codec, container)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    with pytest.raises(ValueError, match=rf"{name}: truncated or damaged, [56]\.\d s of (9\.9|10\.\d) s of sound"):
        audio_files.read_audio(path, 16000)
    path.write_bytes(content[: len(content) * 9 // 10])
    assert len(audio_files.read_audio(path, 16000)) / 16000 == pytest.approx(9, abs=0.4)


def test_damaged_numbers_are_lost_sound(tmp_path, caplog):
    noise = np.random.default_rng(0).normal(size=44100 * 3).astype("<f4") * 0.1
    path = media.store_sound(tmp_path / "a.wav", noise[None], 44100, "pcm_f32le")
    _damaged(path, np.float32([np.nan, np.inf, 1e30]).tobytes(), at=0.25 + 1e-6)
    content = bytearray(path.read_bytes())
    content[len(content) - 3 * 44100 * 2 : len(content) - 3 * 44100 * 2 + 4] = np.float32(np.nan).tobytes()
    path.write_bytes(content)
    audio = audio_files.read_audio(path, 44100)
    assert np.isfinite(audio).all() and np.abs(audio).max() <= 1 and len(audio) == pytest.approx(44100 * 3, abs=5000)
    assert "damaged" in caplog.text


def test_an_absurd_rate_is_one_line(tmp_path):
    path = _wav(tmp_path / "a.wav", np.zeros((5000, 1), np.int16), 44100, 2)
    content = bytearray(path.read_bytes())
    content[24:28] = (3).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(ValueError, match="a.wav: its audio stream holds no samples"):
        audio_files.read_audio(path, 44100)


def test_tags_may_be_in_any_encoding(tmp_path):
    path = _wav(tmp_path / "a.wav", np.ones((5000, 1), np.int16), 44100, 2)
    title = b"LIST\x10\0\0\0INFOINAM\x04\0\0\0" + "Été".encode("latin-1") + b"\0"
    content = path.read_bytes()
    path.write_bytes(content[:36] + title + content[36:])
    assert len(audio_files.read_audio(path, 44100)) == 5000


def test_a_colon_is_no_protocol(tmp_path, monkeypatch):
    _wav(tmp_path / "Live: one %d.wav", np.ones((5000, 1), np.int16), 44100, 2)
    monkeypatch.chdir(tmp_path)
    assert len(audio_files.read_audio("Live: one %d.wav", 44100)) == 5000


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


def _stereo_chain(folder):
    """Two ogg files in one, of other rates, the second silent on the right."""
    first, second = media.clicks(3, 44100), media.clicks(3, 48000)
    for name, rate, channels in (("1", 44100, [first, first]), ("2", 48000, [second, 0 * second])):
        media.store_sound(folder / f"{name}.ogg", np.stack(channels), rate, "vorbis", layout="stereo", strict="-2")
    (folder / "chain.ogg").write_bytes((folder / "1.ogg").read_bytes() + (folder / "2.ogg").read_bytes())
    return folder / "chain.ogg"


def _holed(folder):
    """An m4a in whose middle packets are overwritten: silence of their length."""
    path = media.store_sound(folder / "a.mka", media.clicks(9)[None], 44100, "flac", "matroska")
    with av.open(str(path)) as file:
        index = [packet.pos for packet in file.demux(audio=0) if packet.pos]
    data = bytearray(path.read_bytes())
    for position in index[20:22]:
        data[position + 100 : position + 400] = bytes(300)
    path.write_bytes(data)
    return path


def _twins(folder):
    return _twin(folder / "b.flac", "stereo", (1, -1))


@pytest.mark.parametrize("make", [_stereo_chain, _holed, _twins])
def test_blocks_are_the_whole_sound_in_turn(tmp_path, make):
    path = make(tmp_path)
    blocks = list(audio_files.read_blocks(path, 16000).blocks)
    whole = audio_files.read_audio(path, 16000)
    np.testing.assert_array_equal(np.concatenate(blocks), whole)
    assert max(map(len, blocks)) < len(whole) / 4 and whole.dtype == blocks[0].dtype == np.float32


def test_blocks_of_a_file_that_is_refused_do_not_begin(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"RIFF nothing")
    with pytest.raises(ValueError, match=r"a\.wav"):
        audio_files.read_blocks(tmp_path / "a.wav", 16000)
