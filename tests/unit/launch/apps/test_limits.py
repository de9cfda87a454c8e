"""Numbers and sizes from pages, sentences for them."""

import math

import pytest

from launch.apps import limits
from launch.apps.refusals import FIELDS, Refused, sentence

LIMITS = limits.Limits(1, 2, 3, 30, 4, 5)


def test_wishes_are_taken_as_they_are():
    assert limits.wishes(10, 7, 1.0, LIMITS) == limits.Wishes(10.0, 7, 1.0)
    assert limits.wishes(30, 2**32 - 1, 0.05, LIMITS).seed == 2**32 - 1


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("seconds", 30.5, "Give a number from 1 to 30; 30.5 is beyond."), ("seconds", 0, "from 1 to 30; 0 is"),
        *(("seconds", value, "Give a number from") for value in (math.nan, math.inf, "9", None, True, [9])),
        ("seed", -1, "from 0 to 4294967295; -1 is"), ("seed", 2**32, "4294967296 is beyond"),
        ("seed", 1.5, "Give a whole number."), ("temperature", 0, "from 0.05 to 2; 0 is"),
    ],
)
def test_other_wishes_are_refused_beside_their_field(field, value, said):
    with pytest.raises(Refused) as refused:
        limits.wishes(**{"seconds": 5, "seed": 0, "temperature": 1} | {field: value}, limits=LIMITS)
    assert refused.value.field == field and said in str(refused.value)


@pytest.mark.parametrize(("field", "most"), [("photo", 1), ("song", 2), ("pose", 5)])
def test_files_have_a_size(tmp_path, field, most):
    path = tmp_path / "file"
    path.write_bytes(b"\0" * (most * limits.MEGA))
    limits.check_size(field, path, LIMITS)
    with path.open("ab") as file:
        file.write(b"\0" * 60_000)
    with pytest.raises(Refused, match=rf"^The file has {most}.1 MB, and {most} MB is the most; give a smaller one.$"):
        limits.check_size(field, path, LIMITS)
    assert path.stat().st_size < LIMITS.upload_bytes() == 10**7
    path.unlink()
    with pytest.raises(Refused, match="not here any more; give it again"):
        limits.check_size(field, path, LIMITS)


def test_sentences_say_no_path_of_this_machine():
    error = ValueError("/tmp/a/photo: not a readable image\n(of no known format, /tmp/a)")
    assert sentence(error, {"/tmp/a": "the room", "/tmp/a/photo": "the photo"}) == (
        "The photo: not a readable image (of no known format, the room)."
    )
    with pytest.raises(ValueError, match="no field 'colour'"):
        Refused("colour", "x")
    assert "" in FIELDS
