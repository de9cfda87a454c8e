"""Jobs in turn, and how they end."""

import threading
import time

import pytest

from launch.apps.jobs import CANCELLED, DONE, FAILED, RUNNING, Job, Jobs
from launch.apps.refusals import Refused


@pytest.fixture
def jobs():
    """Worked off by a thread."""
    made, stop = Jobs(2), threading.Event()
    worker = threading.Thread(target=made.run_forever, args=(stop,), daemon=True)
    worker.start()
    yield made
    stop.set()
    for owner in ("a", "b", "c", "owner 0", "owner 1", "owner 2"):
        made.cancel(owner)
    worker.join(10)
    assert not worker.is_alive()


class Work:
    """Tells how far it is until it may end, at most for some seconds."""

    def __init__(self):
        self.begun, self.may_end, self.told = threading.Event(), threading.Event(), 0

    def __call__(self, job):
        self.begun.set()
        until = time.monotonic() + 30
        while not self.may_end.is_set() and time.monotonic() < until:
            job.tell("painting", self.told, 100)
            self.told += 1
            time.sleep(0.001)
        return "made"


def wait(condition):
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.001)


def test_one_is_worked_off_at_a_time_and_the_others_know_their_place(jobs):
    works = [Work() for _ in range(3)]
    first = jobs.add(Job("owner 0", works[0]))
    assert works[0].begun.wait(10)
    second, third = (jobs.add(Job(f"owner {n}", works[n])) for n in (1, 2))
    assert first.state == RUNNING and (jobs.before(first), jobs.before(second), jobs.before(third)) == (0, 1, 2)
    wait(lambda: first.done > 2)
    assert (first.phase, first.total) == ("painting", 100) and not works[1].begun.is_set()
    works[0].may_end.set()
    assert works[1].begun.wait(10)
    assert (first.state, first.result, jobs.before(third)) == (DONE, "made", 1)
    for work in works:
        work.may_end.set()
    wait(lambda: third.ended)
    assert third.state == DONE


def test_a_running_job_ends_where_it_is_cancelled_and_the_next_begins(jobs):
    works, left = [Work(), Work()], []
    first = jobs.add(Job("a", works[0], lambda: left.append("a")))
    assert works[0].begun.wait(10)
    second = jobs.add(Job("b", works[1], lambda: left.append("b")))
    jobs.cancel("a")
    assert works[1].begun.wait(10)
    assert (first.state, first.result, left) == (CANCELLED, None, ["a"])
    told = works[0].told
    time.sleep(0.05)
    assert works[0].told == told, "it goes on after it was cancelled"
    jobs.cancel("b")
    wait(lambda: second.ended)
    assert left == ["a", "b"]


def test_a_waiting_job_never_begins_once_it_is_cancelled(jobs):
    running, waiting, left = Work(), Work(), []
    jobs.add(Job("a", running))
    assert running.begun.wait(10)
    job = jobs.add(Job("b", waiting, lambda: left.append("b")))
    jobs.cancel("b")
    assert (job.state, left) == (CANCELLED, ["b"])
    running.may_end.set()
    last = Work()
    jobs.add(Job("b", last))
    assert last.begun.wait(10)
    assert not waiting.begun.is_set()
    last.may_end.set()


def test_who_has_one_and_who_finds_too_many_are_told(jobs):
    work = Work()
    jobs.add(Job("a", work))
    assert work.begun.wait(10)
    with pytest.raises(Refused, match="Your dance before is not finished"):
        jobs.add(Job("a", work))
    jobs.add(Job("b", work)), jobs.add(Job("c", work))
    with pytest.raises(Refused, match="2 others wait already; try again"):
        jobs.add(Job("d", work))
    work.may_end.set()


def test_errors_end_their_job_alone(jobs, caplog):
    def broken(job):
        raise KeyError("inside")

    def refusing(job):
        raise Refused("song", "Silent.")

    left = []
    first = jobs.add(Job("a", broken, lambda: left.append("a")))
    second = jobs.add(Job("b", refusing, lambda: left.append("b")))
    wait(lambda: second.ended and left == ["a", "b"])
    assert (first.state, first.refused.field, second.refused.field) == (FAILED, "", "song")
    assert "inside" not in str(first.refused) and "KeyError: 'inside'" in caplog.text


def test_a_signal_that_ends_the_worker_cleans_up_on_its_way():
    def interrupted(job):
        raise KeyboardInterrupt

    jobs, left = Jobs(1), []
    job = jobs.add(Job("a", interrupted, lambda: left.append("a")))
    with pytest.raises(KeyboardInterrupt):
        jobs.run_one(1)
    assert (job.state, left) == (CANCELLED, ["a"])


def test_phases_take_the_place_of_bars():
    job = Job("a", None)
    with job.shows("video", "window") as progress:
        progress(3, 10)
    assert (job.phase, job.done, job.total) == ("video", 3, 10)
