import dataclasses
import os
from pathlib import Path

import pytest

from data_pipeline.preparation import cache as caches
from data_pipeline.preparation.jobs import Job, Made

LIMITS = {"seconds": 5.0}
SCORES = {"seconds": 4.0, "second_person": 0.0, "person_box": 0.5, "corner_deviation": 1.0, "quality": None}


@pytest.fixture
def cache(tmp_path):
    made = caches.Cache(tmp_path / "cache")
    made.create()
    return made


@pytest.fixture
def job(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"content")
    return Job("a", str(tmp_path / "a.mp4"), {}, {"size": 8})


class Making:
    """Counts how often it is called."""

    def __init__(self, **fields):
        self.calls, self.fields = 0, fields

    def __call__(self, job: Job, folder: Path) -> list[Made]:
        self.calls += 1
        (folder / "0.npz").write_bytes(f"{job.settings}".encode())
        return [Made(job.id, file="0.npz", **self.fields)]


def test_what_is_done_is_not_done_again(cache, job):
    make = Making()
    assert cache.find(job) is None
    done = cache.work(job, make)
    assert not done.failure and Path(cache.path(done.made[0].file)).read_bytes() == b"{'size': 8}"
    assert cache.work(job, make) == cache.find(job) == done and make.calls == 1


@pytest.mark.parametrize("change", [
    lambda job: job._replace(settings={"size": 9}), lambda job: job._replace(id="b"),
    lambda job: job._replace(columns={"song": "s"}),
])
def test_whatever_a_clip_depends_on_makes_it_anew(cache, job, change):
    make = Making()
    cache.work(job, make)
    cache.work(change(job), make)
    assert make.calls == 2


def test_a_file_with_other_content_is_another_and_a_touched_one_is_not(cache, job):
    make = Making()
    cache.work(job, make)
    os.utime(job.path, (1, 1))
    assert cache.find(job) is None  # it has to be read to be known again
    cache.work(job, make)
    assert make.calls == 1
    Path(job.path).write_bytes(b"Content")
    cache.work(job, make)
    assert make.calls == 2


def test_a_failure_is_told_kept_and_tried_again(cache, job):
    def fail(job, folder):
        raise ValueError("broken\nin two lines")

    assert cache.work(job, fail).failure == "broken" == cache.failure(job)
    assert cache.find(job) is None

    def surprise(job, folder):
        raise ZeroDivisionError("by zero")

    assert cache.work(job, surprise).failure == "ZeroDivisionError: by zero"
    assert not cache.work(job, Making()).failure and cache.failure(job) == ""


def test_a_missing_file_is_a_failure(cache, job):
    os.remove(job.path)
    assert "a.mp4" in cache.work(job, Making()).failure


def test_ctrl_c_is_none(cache, job):
    def interrupted(job, folder):
        (folder / "0.npz").write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.work(job, interrupted)
    assert cache.find(job) is None and cache.failure(job) == ""
    assert not cache.work(job, Making()).failure


def test_a_clip_that_other_limits_dropped_is_made_after_all(cache, job):
    job = job._replace(limits=LIMITS)

    def drop(job, folder):
        return [Made(job.id, scores=SCORES)]

    assert cache.work(job, drop).made[0].dropped(job.limits) == ["too_short"]
    assert cache.find(job) is not None
    looser = job._replace(limits={"seconds": 3.0})
    assert cache.find(looser) is None
    make = Making(scores=SCORES)
    assert cache.work(looser, make).made[0].file and make.calls == 1
    stricter = cache.find(job)  # made now, and dropped again by the first limits, without any work
    assert stricter.made[0].file and stricter.made[0].dropped(job.limits) == ["too_short"]


def test_what_has_no_music_stays_dropped(cache, job):
    job = job._replace(limits={"seconds": 3.0})
    without = Made(job.id, scores=SCORES, reasons=("no_music",), detail="silent")
    cache.work(job, lambda job, folder: [without])
    assert cache.find(job).made == (without,)


def test_results_survive_json():
    made = Made("a", "f", "d", frames=3, scores=SCORES, reasons=("x",), confidence={"head": 0.5}, counts={"nan": 2})
    assert Made.from_json(made.to_json()) == made
    assert set(made.to_json()) == {field.name for field in dataclasses.fields(Made)}


def test_the_digest_of_a_folder_is_of_names_and_contents(tmp_path):
    for folder, name in (("a", "1"), ("b", "1"), ("c", "2")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_bytes(b"x")
    digests = [caches.file_digest(tmp_path / folder) for folder in "abc"]
    assert digests[0] == digests[1] != digests[2]
