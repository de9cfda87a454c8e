import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from launch.shell import signals
from launch.sweeps.local import Local
from launch.sweeps.slots import Slot
from launch.sweeps.state import Measured

pytestmark = pytest.mark.process


@pytest.fixture
def run(tmp_path):
    """run(trials, slots): (outcome, lines told)."""

    def local(trials, slots=1, tries=3, backoff=0.01, each=lambda running, done: None):
        told = []
        job = Local(trials, str(tmp_path), [Slot({})] * slots, Measured(), tries=tries, backoff=backoff,
                    tell=told.append, each=each)
        return job.run(), told

    return local


def starts(tmp_path, name, work="train"):
    path = tmp_path / name / f"{work}.starts"
    return len(path.read_text()) if path.exists() else 0


def events(tmp_path, name):
    lines = (tmp_path / name / "sweep.jsonl").read_text().splitlines()
    return [(found["work"], found["event"]) for found in map(json.loads, lines)]


def test_each_run_is_trained_and_evaluated_once(run, make, tmp_path):
    trials = [make("a"), make("b", parents=["a"])]
    outcome, told = run(trials)
    assert outcome.finished == ["a", "b"] and not (outcome.failed or outcome.before or outcome.blocked)
    assert [starts(tmp_path, name, work) for name in "ab" for work in ("train", "evaluate")] == [1, 1, 1, 1]
    assert events(tmp_path, "a") == [(work, event) for work in ("train", "evaluate") for event in ("began", "ended")]
    again, _ = run(trials)
    assert again.before == ["a", "b"] and not again.finished
    assert starts(tmp_path, "a") == 1
    assert "launch" not in (tmp_path / "a" / "train.sh").read_text() and "tests.sweep_run train" in (
        tmp_path / "a" / "train.sh").read_text()
    assert "cores" in (tmp_path / "a" / "logs" / "train.log").read_text()


def test_what_stands_on_a_run_waits_for_its_training_alone(run, make, tmp_path):
    outcome, _ = run([make("a", "", "fail,fail,fail"), make("b", parents=["a"])], slots=2)
    assert outcome.finished == ["b"] and list(outcome.failed) == ["a"]
    first, second = (
        [json.loads(line) for line in (tmp_path / name / "sweep.jsonl").read_text().splitlines()] for name in "ab"
    )
    trained = next(each["time"] for each in first if (each["work"], each["event"]) == ("train", "ended"))
    assert second[0]["time"] > trained


def test_a_failure_is_tried_again_and_given_up_in_the_end(run, make, tmp_path):
    outcome, told = run([make("a", "fail,die"), make("b", "fail,fail,fail,ok"), make("c", parents=["b"])])
    assert outcome.finished == ["a"] and starts(tmp_path, "a") == 3
    assert outcome.blocked == ["c"] and starts(tmp_path, "c") == 0
    assert "train failed with status 1: error: config.steps: as the script says" in outcome.failed["b"]
    assert "b/logs/train.log" in outcome.failed["b"]
    assert any("a: train was killed by SIGKILL" in line for line in told)
    again, _ = run([make("a", "fail,die"), make("b", "fail,fail,fail,ok"), make("c", parents=["b"])])
    assert again.finished == ["b", "c"] and again.before == ["a"]


def test_pauses_grow(run, make):
    _, told = run([make("a", "fail,fail,fail,ok")], tries=4, backoff=0.05)
    assert [line.rsplit(" in ", 1)[1] for line in told if "tried again" in line] == ["0.05 s", "0.1 s", "0.2 s"]


def test_who_ends_well_and_leaves_nothing_has_failed(run, make):
    outcome, _ = run([make("a", "lie,lie,lie")])
    assert "ended well, but left nothing" in outcome.failed["a"]


def test_a_run_that_was_told_to_save_has_not_failed(run, make, tmp_path):
    def interrupt(running, done):
        for path in tmp_path.glob("a/hangs"):
            os.kill(int(path.read_text()), signal.SIGTERM)
            path.unlink()

    outcome, told = run([make("a", "hang,hang,hang,hang")], tries=1, each=interrupt)
    assert outcome.finished == ["a"] and starts(tmp_path, "a") == 5
    assert ("train", "stopped") in events(tmp_path, "a")


def test_runs_share_the_machine_by_slots(run, make):
    seen = []
    run([make(name) for name in "abcd"], slots=2, each=lambda running, done: seen.append(len(running)))
    assert max(seen) == 2


def test_a_run_has_the_cores_and_the_environment_of_its_slot(make, tmp_path, monkeypatch):
    core = min(os.sched_getaffinity(0))
    Local([make("a")], str(tmp_path), [Slot({"GIVEN": "x"}, (core,))], Measured(), tries=1, backoff=0,
          tell=lambda text: None, each=lambda *unused: None).run()
    assert f"cores [{core}]" in (tmp_path / "a" / "logs" / "train.log").read_text()


def test_an_interrupted_sweep_leaves_no_process_and_saves(make, tmp_path):
    def interrupt(running, done):
        if all((tmp_path / name / "hangs").exists() for name in "ab"):
            raise signals.Stopped(signal.SIGINT)

    job = Local([make("a", "hang"), make("b", "hang")], str(tmp_path), [Slot({})] * 2, Measured(), tries=1, backoff=0,
                tell=lambda text: None, each=interrupt)
    with pytest.raises(signals.Stopped):
        job.run()
    for name in "ab":
        assert events(tmp_path, name)[-1] == ("train", "stopped")
        assert json.loads((tmp_path / name / "sweep.jsonl").read_text().splitlines()[-1])["status"] == 75
        assert not _lives(int((tmp_path / name / "hangs").read_text()))


def test_a_sweep_killed_with_sigkill_leaves_no_process_either(tmp_path):
    code = f"""
import sys
sys.path[:0] = ["."]
import launch.sweeps.state as state
state._setting = lambda *unused: {{}}
from launch.sweeps.local import Local
from launch.sweeps.slots import Slot
from launch.sweeps.state import Measured
from launch.sweeps.trials import Trial
class Hanging(Trial):
    def train(self, out):
        return ["tests.sweep_run", "train", self.workdir(out), "5", "hang", "d", "test"]
trial = Hanging("a", "a", "c", "tokenizer", {{}}, (), 5, 0, "d", "test")
Local([trial], {str(tmp_path)!r}, [Slot({{}})], Measured(), tries=1, backoff=0, tell=print, each=lambda *u: None).run()
"""
    sweep = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[4], stdout=subprocess.DEVNULL)
    try:
        assert _soon(lambda: (tmp_path / "a" / "hangs").exists() and (tmp_path / "a" / "hangs").read_text())
        child = int((tmp_path / "a" / "hangs").read_text())
        assert _lives(child)
    finally:
        sweep.kill()
        sweep.wait()
    assert _soon(lambda: not _lives(child))


def _lives(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _soon(holds, seconds=30):
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True
