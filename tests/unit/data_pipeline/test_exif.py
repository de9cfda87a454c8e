"""The orientation alone."""

import numpy as np
import pytest
from PIL import Image

from data_pipeline import exif


def _bytes(value=6):
    tags = Image.Exif()
    tags[0x010F], tags[0x0112], tags[0x011A] = "a maker of cameras", value, 72.0
    return tags.tobytes()


@pytest.mark.parametrize("value", range(1, 9))
def test_what_was_written_is_read(value):
    assert exif.orientation(_bytes(value)) == value
    assert exif.orientation(_bytes(value).removeprefix(b"Exif\0\0")) == value


def test_either_order_of_bytes_and_any_whole_type():
    for kind, field in ((1, b"\x08\0\0\0"), (3, b"\0\x08\0\0"), (4, b"\0\0\0\x08")):
        entry = b"\x01\x12" + kind.to_bytes(2, "big") + b"\0\0\0\x01" + field
        assert exif.orientation(b"MM\0*\0\0\0\x08\0\x01" + entry) == 8


def test_what_is_broken_elsewhere_does_not_matter():
    whole = _bytes()
    assert exif.orientation(whole[:-20]) == 6  # values of other tags lie behind the directory
    for value in (0, 9, 65535):
        assert exif.orientation(_bytes(value)) is None
    for broken in (b"", b"Exif\0\0", b"MM", b"II*\0\xff\xff\xff\xff", whole[:20], b"XX" + whole):
        assert exif.orientation(broken) is None


def test_no_bytes_make_trouble():
    rng = np.random.default_rng(0)
    for _ in range(2000):
        content = np.frombuffer(_bytes(), np.uint8).copy()
        content[rng.integers(0, len(content), 4)] = rng.integers(0, 256, 4)
        assert exif.orientation(content[: rng.integers(0, len(content))].tobytes()) in (None, *range(1, 9))
