"""Lengths that MP3 files state."""

import numpy as np
import pytest

from data_pipeline import mp3_header
from tests import media


@pytest.mark.parametrize("rate", [48000, 44100, 32000, 22050, 16000, 8000])
@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_the_length_is_that_of_the_sound(tmp_path, rate, layout):
    sound = np.stack([media.clicks(3.21, rate)] * (1 + (layout == "stereo")))
    path = media.store_sound(tmp_path / "a.mp3", sound, rate, "libmp3lame", layout=layout)
    assert mp3_header.stated_seconds(path) == pytest.approx(3.21, abs=1e-3)
    path.write_bytes(path.read_bytes() + bytes(5000))
    assert mp3_header.stated_seconds(path) == pytest.approx(3.21, abs=1e-3)


def test_a_header_of_fraunhofer_counts_too(tmp_path):
    frame = bytearray(417)
    frame[:4] = b"\xff\xfb\x90\x64"  # MPEG-1, 44.1 kHz
    frame[36:40], frame[50:54] = b"VBRI", (1000).to_bytes(4, "big")
    tag = b"ID3\x04\x00\x00\x00\x00\x02\x00" + bytes(256)
    (tmp_path / "a.mp3").write_bytes(tag + bytes(frame))
    assert mp3_header.stated_seconds(tmp_path / "a.mp3") == pytest.approx(1000 * 1152 / 44100)


def test_without_a_header_nothing_is_stated(tmp_path):
    path = media.store_sound(tmp_path / "a.mp3", media.clicks(2)[None], 44100, "libmp3lame", write_xing="0")
    assert mp3_header.stated_seconds(path) is None
    for content in (b"", b"ID3", b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f", b"\xff\xfb\x90", b"\xff\xfb\x9cXing", bytes(99)):
        path.write_bytes(content)
        assert mp3_header.stated_seconds(path) is None
