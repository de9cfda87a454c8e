import pytest

from benchmarks.measures import stall
from benchmarks.measures.spans import Call


def calls(write):
    """Two saves that count, after one that does not; steps of 0.1 s, of 0.2 s while a checkpoint is written."""
    own = {"flush": 0.0, "digests": 0.5, "former": 3.0, "probe": 0.1, "kept": 0.0, "save": 0.4}
    found = {name: [Call(0, 99, 99, 0)] + [Call(0, seconds, seconds, 0)] * 2 for name, seconds in own.items()}
    found["write"] = [Call(100 * number, write, write, 0) for number in range(3)]
    found["step"] = [Call(0, 50, 50, 0)] + [Call(101, 0.2, 0.2, 0)] * 3 + [Call(190, 0.1, 0.1, 0)] * 3
    return found


def test_a_stall_is_all_of_a_save_but_the_wait_that_shorter_intervals_bring():
    found = stall.compared(calls(write=5.0), 3, every=1000)
    assert found["stall_seconds"] == pytest.approx(1.0) and found["share"] == pytest.approx(0.01)
    assert found["waited_for_the_former_write"] == 3.0 and found["least_every"] == 200
    assert found["steps_slower_during_a_write"] == pytest.approx(1.0)


def test_a_write_that_outlasts_the_steps_between_two_saves_holds_the_next_one():
    assert stall.compared(calls(write=5.0), 3, every=20)["stall_seconds"] == pytest.approx(1.0 + 3.0)
