import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from etils import epath

from xdancer_jax.train.accounting import PHASES, Account


class Clock:
    """A clock that only `wait` moves."""

    def __init__(self):
        self.time = 1000.0

    def __call__(self):
        return self.time

    def wait(self, seconds):
        self.time += seconds


@pytest.fixture
def clock():
    return Clock()


def run(account, clock, steps, seconds=2.0, every=1):
    """Steps of so many seconds, each after a wait of a tenth of it for its data, written every so many steps."""
    for step in steps:
        with account.phase("data_wait"):
            clock.wait(seconds / 10)
        with account.phase("step"):
            clock.wait(seconds)
        account.step_done(step)
        if step % every == 0:
            account.write()


def told(account, *names):
    found = account.summary()
    return tuple(pytest.approx(found[name]) for name in names)


@pytest.mark.parametrize("kind", [Path, epath.Path])
def test_every_second_is_in_one_phase(tmp_path, clock, kind):
    account = Account(kind(tmp_path / "run" / "goodput.json"), 0, began=clock() - 3, clock=clock)
    clock.wait(1)
    with account.phase("compile"):
        clock.wait(10)
    run(account, clock, range(1, 6))
    with account.phase("evaluation"):
        clock.wait(4)
        with account.phase("data_wait"):
            clock.wait(1)
        clock.wait(2)
    with account.phase("checkpoint"):
        clock.wait(3)
    clock.wait(0.5)
    found = account.summary()
    assert found == pytest.approx({
        "start": 4, "compile": 10, "data_wait": 5 * 0.2 + 1, "step": 10, "checkpoint": 3, "evaluation": 6, "other": 0.5,
        "lost": 0, "down": 0, "total": 35.5, "goodput": 10 / 35.5,
    })
    assert set(found) == {*PHASES, "total", "goodput"}
    account.write()
    assert [entry.name for entry in (tmp_path / "run").iterdir()] == ["goodput.json"]


def test_steps_that_are_done_again_count_once(tmp_path, clock):
    path = tmp_path / "goodput.json"
    run(Account(path, 0, clock=clock), clock, range(1, 9))
    clock.wait(100)  # killed after step 8, saved at 5
    second = Account(path, 5, clock=clock)
    clock.wait(7)
    run(second, clock, range(6, 11), seconds=4)
    assert second.summary() == pytest.approx({
        "start": 7 + 0, "compile": 0, "data_wait": 8 * 0.2 + 5 * 0.4, "step": 5 * 2 + 5 * 4, "checkpoint": 0,
        "evaluation": 0, "other": 0, "lost": 3 * 2, "down": 100, "total": 30 + 6 + 100 + 7 + 3.6,
        "goodput": 30 / 146.6,
    })
    third = Account(path, 0, clock=clock)  # every checkpoint was lost
    assert told(third, "step", "lost", "goodput") == (0, 36, 0)


def test_what_is_known_of_a_killed_process_is_its_last_write(tmp_path, clock):
    path = tmp_path / "goodput.json"
    run(Account(path, 0, clock=clock), clock, range(1, 9), every=5)
    # Steps 6 to 8 are not known of; step 3 is taken as three fifths of the time up to the mark at 5.
    second = Account(path, 3, clock=clock)
    assert told(second, "step", "lost", "down") == (6, 4, 3 * 2.2)
    third = Account(path, 7, clock=clock)  # a checkpoint that was saved after the last write
    assert told(third, "step", "lost") == (10, 0)


def test_a_thinned_file_still_knows_when_steps_were_done(tmp_path, clock):
    path = tmp_path / "goodput.json"
    run(Account(path, 0, clock=clock), clock, range(1, 3001))
    assert len(json.loads(path.read_text())["marks"]) <= 513
    assert told(Account(path, 2222, clock=clock), "step", "lost") == (4444, 6000 - 4444)


def test_a_clock_that_is_behind_makes_no_negative_times(tmp_path, clock):
    path = tmp_path / "goodput.json"
    run(Account(path, 0, clock=clock), clock, range(1, 3))
    clock.wait(-500)  # another host's
    found = Account(path, 2, clock=clock).summary()
    assert min(found.values()) >= 0 and found["down"] == 0


@pytest.mark.process
def test_a_process_that_is_killed_while_it_writes_leaves_a_whole_file(tmp_path):
    path = tmp_path / "goodput.json"
    code = (
        "import pathlib\nfrom xdancer_jax.train.accounting import Account\n"
        f"account = Account(pathlib.Path({str(path)!r}), 0)\nstep = 0\n"
        "while True:\n    step += 1\n    with account.phase('step'):\n        pass\n"
        "    account.step_done(step)\n    account.write()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[3])
    try:
        while not path.exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(0.2)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert Account(path, json.loads(path.read_text())["step"]).summary()["lost"] == 0


@pytest.mark.parametrize("text", [
    "", "[]", "{}", '{"format": 2}', "[" * 100_000,
    '{"format": 1, "written": 0, "seconds": {"step": 1}, "marks": [[0, 0]]}',
])
def test_a_file_of_something_else_is_named(tmp_path, text):
    path = tmp_path / "goodput.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"goodput\.json: not the times of a run \(.*\); move it away to go on"):
        Account(path, 0)
    assert path.read_text() == text


def test_a_disk_that_takes_nothing_is_one_warning(tmp_path, clock, caplog):
    path = tmp_path / "goodput.json"
    account = Account(path, 0, clock=clock)
    path.mkdir()  # in its place
    run(account, clock, range(1, 4))
    assert caplog.text.count("goodput.json: could not be written, training goes on") == 1
    path.rmdir()
    account.write()
    assert told(Account(path, 3, clock=clock), "step") == (6,)


def test_an_unknown_phase_is_refused(tmp_path):
    with pytest.raises(ValueError, match="phase 'lost' is unknown; choose one of"), Account(
        tmp_path / "goodput.json", 0
    ).phase("lost"):
        pass
