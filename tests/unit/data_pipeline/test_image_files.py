"""Pictures in and out of files."""

import io

import numpy as np
import pytest
from PIL import Image

from data_pipeline import image_files


def test_transparency_is_white_and_exif_turns(tmp_path):
    pixels = np.zeros((4, 6, 4), np.uint8)
    pixels[:, :3] = (255, 0, 0, 255)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    image = image_files.read_image(tmp_path / "a.png")
    assert image.shape == (4, 6, 3)
    assert image[0, 0].tolist() == [255, 0, 0] and image[0, 5].tolist() == [255, 255, 255]

    turned = Image.fromarray(np.zeros((40, 60, 3), np.uint8))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "a.jpg", exif=exif)
    assert image_files.read_image(tmp_path / "a.jpg").shape == (60, 40, 3)


def test_bad_files_are_one_line_that_names_them(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.bin: no such file"):
        image_files.read_image(tmp_path / "nothing.bin")
    (tmp_path / "empty.bin").touch()
    (tmp_path / "text.bin").write_text("not a medium\n" * 100)
    for name, message in (("empty.bin", "the file is empty"), ("text.bin", "")):
        with pytest.raises(ValueError, match=f"{name}: .*{message}") as error:
            image_files.read_image(tmp_path / name)
        assert "\n" not in str(error.value)


def test_a_truncated_file_is_named(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=path.name):
        image_files.read_image(path)


def test_jpeg_of_a_frame_is_close():
    frame = np.tile(np.uint8((220, 120, 40)), (64, 64, 1))
    assert np.abs(image_files.decode_jpeg(image_files.encode_jpeg(frame)).astype(int) - frame).mean() < 3
    assert Image.open(io.BytesIO(image_files.encode_jpeg(frame))).format == "JPEG"
