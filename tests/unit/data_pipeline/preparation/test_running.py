import functools
import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data_pipeline.preparation import running
from data_pipeline.preparation.cache import Cache
from data_pipeline.preparation.jobs import Job
from tests import command_line, preparing
from tests.preparing import make

needs_beam = pytest.mark.skipif(importlib.util.find_spec("apache_beam") is None, reason="needs the extra beam")


def _jobs(tmp_path, *names, **settings) -> list[Job]:
    (tmp_path / "calls").mkdir(exist_ok=True)
    return [Job(name, "", {}, {"calls": str(tmp_path / "calls"), **settings}) for name in names]


def _calls(tmp_path) -> list[str]:
    return sorted(path.name.split("-")[0] for path in (tmp_path / "calls").iterdir())


def _run(tmp_path, jobs, beam=None, tell=lambda done: None):
    cache = Cache(tmp_path / "cache")
    cache.create()
    return list(running.run(jobs, make, cache, beam, tell)), cache


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=needs_beam)])
def test_all_jobs_are_done_in_order_and_a_failing_one_stops_nothing(tmp_path, workers):
    told: list[int] = []
    jobs = _jobs(tmp_path, "b", "bad", "a", "c")
    outcomes, cache = _run(tmp_path, jobs, running.beam_options(workers, ()), told.append)
    assert [outcome.job.id for outcome in outcomes] == ["b", "bad", "a", "c"]
    assert [outcome.failure for outcome in outcomes] == ["", "bad.mp4: broken", "", ""]
    assert [Path(cache.path(o.made[0].file)).read_bytes() for o in outcomes if o.made] == [b"b", b"a", b"c"]
    assert told[0] == 0 and told[-1] == 4 and told == sorted(told)
    _run(tmp_path, jobs, running.beam_options(workers, ()))
    assert _calls(tmp_path) == ["a", "b", "bad", "bad", "c"]  # what failed is tried again, and nothing else


@needs_beam
def test_two_workers_are_two_processes(tmp_path):
    _run(tmp_path, _jobs(tmp_path, *"abcdefgh", seconds=0.3), running.beam_options(2, ()))
    assert len({path.name.split("-")[1] for path in (tmp_path / "calls").iterdir()}) == 2


@needs_beam
def test_workers_end_with_a_killed_parent_and_what_is_finished_is_kept(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\nfrom tests import preparing\npreparing.run(Path(sys.argv[1]))\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)], env=os.environ | {"PYTHONPATH": str(command_line.ROOT)},
        start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    calls = tmp_path / "calls"
    until = time.monotonic() + 120
    while not (calls.exists() and len(list(calls.iterdir())) >= 3) and time.monotonic() < until:
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    workers = {int(path.name.split("-")[1]) for path in calls.iterdir()}
    time.sleep(5)
    assert len(workers) >= 1 and not [pid for pid in workers if Path(f"/proc/{pid}").exists()]
    finished = set(_calls(tmp_path))
    cache = Cache(tmp_path / "cache")
    done = {job.id for job in preparing.jobs(tmp_path) if cache.find(job)}
    assert len(done) >= len(finished) - 2  # at most those that were in work are lost


@pytest.mark.parametrize("option", ["runner=DirectRunner", "x"])
@needs_beam
def test_options_that_are_none_are_named(option):
    with pytest.raises(ValueError, match=f"config.beam: '{option}' is no option of Beam"):
        running.beam_options(1, (option,))


def test_one_process_needs_no_beam(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", functools.partial(lambda name: None))
    assert running.beam_options(1, ()) is None
    with pytest.raises(ImportError, match=r"pip install xdancer_jax\[beam\]"):
        running.beam_options(2, ())
