import threading
import time

import pytest
from etils import epath

from xdancer_jax.train.watchdog import Watchdog


class Clock:
    def __init__(self):
        self.time = 50.0

    def __call__(self):
        return self.time


@pytest.fixture
def clock():
    return Clock()


def test_a_stall_is_told_once_and_names_the_file(tmp_path, clock, caplog):
    watchdog = Watchdog(10, tmp_path / "stacks", clock)
    clock.time += 100
    assert watchdog.check() is None  # no step has begun
    watchdog.beat(7)
    clock.time += 10
    assert watchdog.check() is None
    clock.time += 1
    path = watchdog.check()
    assert path == tmp_path / "stacks" / "process-0-step-7.txt"
    assert "no step has ended for 11 s, after step 7" in path.read_text()
    assert caplog.text.count("warning: ") == 1 and str(path) in caplog.text
    clock.time += 100
    assert watchdog.check() is None
    watchdog.beat(8)
    clock.time += 11
    assert watchdog.check() == tmp_path / "stacks" / "process-0-step-8.txt"


def test_the_stacks_are_those_of_all_threads(tmp_path, clock):
    release, inside = threading.Event(), threading.Event()

    def waits_for_a_device():
        inside.set()
        release.wait()

    thread = threading.Thread(target=waits_for_a_device)
    thread.start()
    inside.wait()
    watchdog = Watchdog(10, epath.Path(tmp_path), clock)
    watchdog.beat(1)
    clock.time += 11
    text = watchdog.check().read_text()
    release.set()
    thread.join()
    assert "in waits_for_a_device" in text and "in test_the_stacks_are_those_of_all_threads" in text


def test_what_may_take_long_is_left_out(tmp_path, clock):
    watchdog = Watchdog(10, tmp_path, clock)
    with watchdog.paused():  # before the first step, as compiling is
        pass
    clock.time += 100
    assert watchdog.check() is None
    watchdog.beat(1)
    clock.time += 9
    with watchdog.paused():
        clock.time += 100
        assert watchdog.check() is None
    clock.time += 9
    assert watchdog.check() is None
    clock.time += 2
    assert watchdog.check() is not None


def test_a_thread_looks_by_itself_and_ends_with_the_block(tmp_path):
    with Watchdog(0.05, tmp_path) as watchdog:
        watchdog.beat(3)
        path, until = tmp_path / "process-0-step-3.txt", time.monotonic() + 5
        while not path.exists() and time.monotonic() < until:
            time.sleep(0.01)
        assert path.exists()
    assert "watchdog" not in [thread.name for thread in threading.enumerate()]


def test_no_seconds_watch_nothing(tmp_path, clock):
    with Watchdog(0, tmp_path, clock) as watchdog:
        assert "watchdog" not in [thread.name for thread in threading.enumerate()]
        watchdog.beat(1)
        clock.time += 1e6
        assert watchdog.check() is None


def test_a_disk_that_takes_nothing_leaves_the_stacks_in_the_log(tmp_path, clock, caplog):
    (tmp_path / "stacks").touch()
    watchdog = Watchdog(10, tmp_path / "stacks", clock)
    watchdog.beat(1)
    clock.time += 11
    assert watchdog.check() is None
    assert "could not be written" in caplog.text
    assert "in test_a_disk_that_takes_nothing_leaves_the_stacks_in_the_log" in caplog.text
