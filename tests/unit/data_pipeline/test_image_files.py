"""Pictures in and out of files."""

import io
import sys
import warnings

import numpy as np
import pytest
from PIL import Image, ImageOps

from data_pipeline import image_files
from tests import media


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


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("kind", ["jpg", "png", "tif", "webp"])
def test_every_orientation_of_every_format(tmp_path, kind, orientation):
    path = tmp_path / f"a.{kind}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (5, 7, 3), np.uint8))
    picture.save(path, exif=exif, **({"lossless": True} if kind == "webp" else {}))
    with Image.open(path) as image:
        np.testing.assert_array_equal(image_files.read_image(path), ImageOps.exif_transpose(image))


def _with_exif(path, content):
    Image.effect_noise((40, 60), 90).convert("RGB").save(path, exif=content, quality=95)
    return image_files.read_image(path)


def test_tags_beside_the_orientation_are_never_read(tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x011A], exif[0x8769] = 6, 72.0, {0x9003: "2024:01:01 10:00:00", 0x920A: 4.2, 0x927C: b"maker"}
    exif[0x8825] = {1: "N", 2: (1.0, 2.0, 3.0)}
    good, rng = exif.tobytes(), np.random.default_rng(0)
    assert _with_exif(tmp_path / "a.jpg", good).shape == (40, 60, 3)
    shapes = []
    for _ in range(300):
        content = np.frombuffer(good, np.uint8).copy()
        content[rng.integers(6, len(content), rng.integers(1, 6))] = rng.integers(0, 256)
        shapes.append(_with_exif(tmp_path / "a.jpg", content.tobytes()).shape)
    assert set(shapes) == {(40, 60, 3), (60, 40, 3)} and np.mean([shape[0] == 40 for shape in shapes]) > 0.7


def test_warnings_of_what_is_not_read_do_not_reach_the_user(tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a maker of cameras"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert _with_exif(tmp_path / "a.jpg", exif.tobytes()[:-12]).shape == (40, 60, 3)
    assert not caught


def test_orientation_in_xmp_counts_where_exif_has_none(tmp_path):
    picture = Image.new("RGB", (60, 40))
    picture.save(tmp_path / "a.jpg", xmp=b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>')
    assert image_files.read_image(tmp_path / "a.jpg").shape == (60, 40, 3)


GREY = np.linspace(0, 1, 32 * 48).reshape(32, 48)
DEEP = {  # name -> the file's values
    "a.png": (GREY * 65535).astype(np.uint16),
    "16.tif": (GREY * 65535).astype(np.uint16),
    "32.tif": (GREY * (2**31 - 1)).astype(np.int32),
    "float.tif": GREY.astype(np.float32),
    "a.pgm": (GREY * 65535).astype(np.uint16),
}


@pytest.mark.parametrize("name", DEEP)
def test_deep_grey_is_scaled_by_its_type(tmp_path, name):
    Image.fromarray(DEEP[name]).save(tmp_path / name)
    read = image_files.read_image(tmp_path / name)
    assert read.shape == (32, 48, 3) and np.abs(read / 255 - GREY[..., None]).max() < 0.005


def test_tiff_of_other_meanings(tmp_path):
    path = tmp_path / "a.tif"
    Image.fromarray(np.uint16(GREY * 65535)).save(path, tiffinfo={262: 0})  # white is zero
    assert np.abs(image_files.read_image(path) / 255 - (1 - GREY[..., None])).max() < 0.005
    Image.fromarray(np.uint32(GREY * (2**32 - 1)).view(np.int32)).save(path)
    signed, unsigned = b"\x53\x01\x03\0\x01\0\0\0\x02\0", b"\x53\x01\x03\0\x01\0\0\0\x01\0"  # tag 339
    assert path.read_bytes().count(signed) == 1
    path.write_bytes(path.read_bytes().replace(signed, unsigned))
    assert np.abs(image_files.read_image(path) / 255 - GREY[..., None]).max() < 0.005


def test_deep_grey_with_one_transparent_value(tmp_path):
    values = (GREY * 60000).astype(np.uint16)
    values[:4] = 77
    Image.fromarray(values).save(tmp_path / "a.png", transparency=77)
    read = image_files.read_image(tmp_path / "a.png")
    assert (read[:4] == 255).all() and np.abs(read[4:] / 255 - GREY[4:, :, None] * 60000 / 65535).max() < 0.005


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (GREY.astype(np.float32) * 255, r"floats beyond \[0, 1\]"),
        (GREY.astype(np.float32) * np.nan, r"floats beyond \[0, 1\]"),
        ((GREY * 4095).astype(np.int32), "32-bit values up to 4095"),
        (-(GREY * 2e9).astype(np.int32), "negative values"),
    ],
)
def test_values_of_unknown_range_are_refused(tmp_path, values, message):
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=f"a.tif: not a readable image .{message}.*convert it to 8 or 16 bits"):
        image_files.read_image(tmp_path / "a.tif")


def test_a_photo_of_a_phone(tmp_path, monkeypatch):
    (tmp_path / "a.heic").write_bytes(media.HEIC)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pillow_heif", None)
        with pytest.raises(ValueError, match="a.heic: .*convert it to JPEG, or pip install pillow-heif"):
            image_files.read_image(tmp_path / "a.heic")
    pytest.importorskip("pillow_heif", reason="install pillow-heif, which setup.py names")
    read = image_files.read_image(tmp_path / "a.heic")
    assert read.shape == (64, 48, 3)
    for row, column, colour in ((10, 24, (220, 40, 40)), (50, 36, (40, 40, 220)), (50, 12, (0, 0, 0))):
        assert np.abs(read[row, column].astype(int) - colour).max() < 30


def test_a_picture_too_large_for_memory_is_refused(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5 12000 12000 255\n" + bytes(99))
    with pytest.raises(ValueError, match="a.pgm: not a readable image .12000x12000 pixels; scale it down"):
        image_files.read_image(tmp_path / "a.pgm")


def test_drawings_by_way_of_other_programs_are_not_opened(tmp_path):
    (tmp_path / "a.eps").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    with pytest.raises(ValueError, match="a.eps: not a readable image .of no known format; convert it to JPEG"):
        image_files.read_image(tmp_path / "a.eps")
