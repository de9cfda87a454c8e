import pytest

from launch.checks.findings import FAIL, OK, WARN, Finding, caught, of_others, told, verdict


def failing(error):
    def check():
        raise error

    return check


@pytest.mark.parametrize(("error", "line"), [
    (ValueError("field: no\n number; give one"), "FAIL a check      field: no number; give one"),
    (ValueError("field: no number"), "FAIL a check      field: no number; do this"),
    (OSError(28, "No space left", "/a/b"), "FAIL a check      /a/b: No space left; do this"),
    (OSError(27, "File too large"), "FAIL a check      File too large; do this"),
    (RuntimeError("no device"), "FAIL a check      no device; do this"),
    (ModuleNotFoundError("No module named 'av'"),
     "FAIL a check      No module named 'av'; install what setup.py lists, pip install -e ."),
])
def test_an_expected_error_is_a_line_with_the_way_out(error, line):
    assert caught("a check", "do this", failing(error)).line() == line


def test_a_mistake_of_ours_is_no_finding():
    with pytest.raises(KeyError):
        caught("a check", "do this", failing(KeyError("x")))


def test_what_a_check_finds_is_handed_on():
    found = Finding("a check", OK, "all")
    assert caught("a check", "do this", lambda: found) is found and found.line() == "ok   a check      all"
    assert caught("a check", "do this", lambda: None) is None
    assert told(ValueError()) == "ValueError"


def test_others_are_named_where_they_found_something_else():
    fine, full = Finding("disk", OK, "80 GB"), Finding("disk", FAIL, "full", "make room")
    slow = Finding("clock", WARN, "9 s")
    everyone = [[fine, slow], [full, slow], [Finding("disk", OK, "79 GB"), slow], [full, slow]]
    assert [each.line() for each in of_others(everyone)] == ["FAIL disk         process 1, 3: full; make room"]


@pytest.mark.parametrize(("states", "expected"), [
    ([[OK, OK]], (True, "a run can start here")),
    ([[OK, WARN]], (True, "a run can start here; warnings: b")),
    ([[FAIL, WARN]], (False, "no run can start here: a; warnings: b")),
    ([[OK, OK], [OK, FAIL], [OK, FAIL]], (False, "no run can start here: b")),
])
def test_one_failure_anywhere_decides(states, expected):
    everyone = [[Finding(name, state, "") for name, state in zip("ab", each, strict=True)] for each in states]
    assert verdict(everyone) == expected
