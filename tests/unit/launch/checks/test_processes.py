import contextlib

import pytest

from launch.checks import processes
from launch.checks.findings import FAIL, OK
from launch.shell import distributed


@pytest.fixture
def group(monkeypatch):
    """group(found, launcher, error): what is told of a group that is found so, and whether it was left again."""
    def play(found=("", 1, 0), launcher="", error=None):
        told = []

        @contextlib.contextmanager
        def join():
            if error:
                raise error
            yield
            told.append("left")

        monkeypatch.setattr(distributed, "join", join)
        monkeypatch.setattr(distributed, "found", lambda: found)
        monkeypatch.setattr(distributed, "launcher", lambda: launcher)
        with contextlib.ExitStack() as stack:
            made = processes.joined(stack)
            assert told == []
        return made, told

    return play


@pytest.mark.parametrize(("found", "launcher", "text"), [
    (("", 1, 0), "", "one, no cluster found"),
    (("a:1", 1, 0), "Slurm", "one, told by Slurm"),
    (("a:1", 4, 3), "Cloud TPU", "4, told by Cloud TPU; coordinator a:1"),
])
def test_a_group_is_joined_until_the_end(group, found, launcher, text):
    made, told = group(found, launcher)
    assert (made.finding.state, made.finding.found, told) == (OK, text, ["left"])
    assert (made.joined, made.number, made.count) == (True, found[2], found[1])


@pytest.mark.parametrize("error", [
    ValueError("half a cluster; give all flags"), ConnectionError("2 of 4 came"), RuntimeError("no coordinator"),
])
def test_a_group_that_does_not_come_together_fails_alone(group, error):
    made, told = group(error=error)
    assert (made.finding.state, made.finding.found, told) == (FAIL, str(error), [])
    assert (made.joined, made.number, made.count) == (False, 0, 1)
