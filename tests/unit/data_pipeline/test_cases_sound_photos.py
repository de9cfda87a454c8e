"""The sounds and photos of the sample data's cases/, each with what must come out of it (cases/README.md there)."""

import os
from pathlib import Path

import numpy as np
import pytest

from data_pipeline import audio_files, image_files, music
from tests import media

RATE = 44100


@pytest.fixture(scope="module")
def cases():
    folder = os.environ.get("XDANCER_SAMPLE_DATA")
    if not folder:
        pytest.skip("set XDANCER_SAMPLE_DATA to the sample data")
    return Path(folder) / "cases"


SOUNDS = {  # name -> seconds, when sounds begin, greatest amplitude, what is warned of
    "vbr_no_header_quiet_intro.mp3": (6.03, [2.0], None, None),
    "rate_change.mp3": (6.0, media.click_times(), None, None),
    "junk_in_the_middle.mp3": (6.0, media.click_times(), None, "packets that do not decode: 1"),
    "chained_rates.ogg": (6.0, media.click_times(), None, None),
    "loud_stereo_sine.flac": (4.0, [0.0], 0.9, None),
    "antiphase.flac": (6.0, media.click_times(), None, "cancel each other out"),
}


@pytest.mark.parametrize("name", SOUNDS)
def test_a_sound(cases, caplog, name):
    seconds, starts, amplitude, warning = SOUNDS[name]
    audio = audio_files.read_audio(cases / name, RATE)
    assert len(audio) / RATE == pytest.approx(seconds, abs=0.06)
    np.testing.assert_allclose(media.starts(audio, RATE), starts, atol=0.06)
    if amplitude:
        power = np.abs(np.fft.rfft(audio)) ** 2
        assert np.abs(audio).max() == pytest.approx(amplitude, abs=0.005)
        assert np.sqrt(1 - power.max() / power.sum()) < 0.01 and power.argmax() * RATE / len(audio) == 440
    assert warning in caplog.text if warning else not caplog.records
    assert len(music.extract("librosa35", audio, RATE)) == pytest.approx(30 * seconds, abs=2)


def test_a_broken_tag_beside_the_orientation_changes_nothing(cases):
    fine = image_files.read_image(cases / "exif_fine.jpg")
    np.testing.assert_array_equal(image_files.read_image(cases / "exif_rational_minus1_0.jpg"), fine)
    photo = image_files.read_image(cases.parent / "images" / "coco_785.jpg")
    assert np.abs(fine.astype(int) - photo).mean() < 5


def test_a_photo_of_a_phone(cases):
    pytest.importorskip("pillow_heif", reason="install pillow-heif, which setup.py names")
    photo = image_files.read_image(cases.parent / "images" / "coco_785.jpg")
    assert np.abs(image_files.read_image(cases / "photo.heic").astype(int) - photo).mean() < 5
