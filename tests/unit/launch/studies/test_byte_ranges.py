import pytest

from launch.studies.byte_ranges import asked


@pytest.mark.parametrize(("header", "part"), [
    (None, (0, 10)), ("bytes=0-", (0, 10)), ("bytes=2-4", (2, 5)), ("bytes=9-99", (9, 10)), ("bytes=-3", (7, 10)),
    ("bytes=-99", (0, 10)), ("bytes=10-", None), ("bytes=-0", None), ("bytes=4-2", (0, 10)), ("bytes=-", (0, 10)),
    ("bytes=0-1,3-4", (0, 10)), ("lines=1-2", (0, 10)), ("bytes=a-b", (0, 10)),
])  # fmt: skip
def test_ranges_of_ten_bytes(header, part):
    assert asked(header, 10) == part
