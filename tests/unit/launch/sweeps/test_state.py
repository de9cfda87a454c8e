import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from launch.sweeps import state
from launch.sweeps.state import Measured, Seen
from xdancer_jax.train import flock


def write(out, name, lines, file):
    path = Path(out) / name / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def trained(make, tmp_path):
    (tmp_path / "a" / "checkpoints" / "5").mkdir(parents=True)
    return make("a")


def result(step, **source):
    return {"protocol": "p", "constants": {}, "values": {"x": 1.0}, "counts": {}, "source": {"step": step} | source}


def test_a_run_is_trained_when_its_last_step_is_saved(make, tmp_path):
    trial, out = make("a"), str(tmp_path)
    assert state.next_work(trial, out, Measured()) == "train"
    for name in ("4", "5.orbax-checkpoint-tmp"):
        (tmp_path / "a" / "checkpoints" / name).mkdir(parents=True)
    assert state.next_work(trial, out, Measured()) == "train"
    (tmp_path / "a" / "checkpoints" / "5").mkdir()
    assert state.next_work(trial, out, Measured()) == "evaluate"


def test_a_run_is_finished_when_its_last_step_is_evaluated_as_asked(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(state, "_setting", lambda data, split, measured: {"clips": measured.clips})
    write(tmp_path, "a", [result(4, clips=2)], "evaluation.jsonl")
    assert state.next_work(trained, str(tmp_path), Measured(2)) == "evaluate"
    write(tmp_path, "a", [result(4, clips=2), result(5, clips=2)], "evaluation.jsonl")
    assert state.next_work(trained, str(tmp_path), Measured(2)) == ""
    assert state.next_work(trained, str(tmp_path), Measured(3)) == "evaluate"


def test_states(make, tmp_path):
    trial, out = make("a"), str(tmp_path)
    assert state.seen(trial, out) == Seen("waiting", 0, 0.0)
    write(out, "a", [{"step": 2, "loss": 1, "time/step_seconds": 0.25}, {"step": 2, "eval/loss": 1}], "metrics.jsonl")
    assert state.seen(trial, out) == Seen("stopped", 2, 4.0)
    state.note(trial, out, "train", event="failed", told="why")
    assert state.seen(trial, out) == Seen("failed", 2, 4.0, "why")
    with flock.alone(tmp_path / "a" / "lock", "trains"):
        assert state.seen(trial, out).state == "training"
    state.note(trial, out, "train", event="stopped")
    assert state.seen(trial, out).state == "stopped"
    (tmp_path / "a" / "checkpoints" / "5").mkdir(parents=True)
    assert state.seen(trial, out) == Seen("trained", 5, 4.0)
    state.note(trial, out, "evaluate", event="began")
    assert state.seen(trial, out).state == "trained", "nobody is at it"
    with flock.alone(tmp_path / state.LOCK, "sweeps"):
        assert state.seen(trial, out).state == "evaluating"
    write(out, "a", [result(5)], "evaluation.jsonl")
    assert state.seen(trial, out).state == "finished"


def test_lines_that_were_cut_short_are_left_out(make, tmp_path):
    trial, out = make("a"), str(tmp_path)
    write(out, "a", [{"step": 1}], "metrics.jsonl")
    with (tmp_path / "a" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 9')
    state.note(trial, out, "train", event="began")
    with (tmp_path / "a" / state.NAME).open("a") as file:
        file.write('{"wor')
    assert state.seen(trial, out).step == 1
    assert [each["event"] for each in state.notes(trial, out)] == ["began"]


def test_only_the_end_of_long_metrics_is_read(make, tmp_path, monkeypatch):
    write(tmp_path, "a", [{"step": step, "loss": "x" * 100} for step in range(5000)], "metrics.jsonl")
    monkeypatch.setattr(state, "_TAIL", 1000)
    assert len(state._tail(state.paths.at(tmp_path / "a" / "metrics.jsonl"))) < 12
    assert state.seen(make("a"), str(tmp_path)).step == 4999


def test_a_lock_is_seen_whoever_holds_it_and_not_taken(tmp_path):
    path = tmp_path / "lock"
    assert not flock.is_held(path)
    code = f"import fcntl; f = open({str(path)!r}, 'w'); fcntl.flock(f, fcntl.LOCK_EX); print(1, flush=True); input()"
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        holder.stdout.readline()
        assert flock.is_held(path)
    finally:
        holder.communicate(b"\n")
    assert not flock.is_held(path) and os.path.exists(path)


@pytest.mark.process
def test_a_sweep_in_a_store_is_looked_at_as_well(make, store):
    trial, out = make("a"), "gs://bucket/sweep"
    assert state.seen(trial, out).state == "waiting"
    state.note(trial, out, "train", event="failed", told="why")
    assert state.seen(trial, out) == Seen("failed", 0, 0.0, "why")
    state.paths.put(state.paths.at(f"{out}/a/checkpoints/5/x"), b"")
    state.paths.put(state.paths.at(f"{out}/a/evaluation.jsonl"), (json.dumps(result(5)) + "\n").encode())
    assert state.seen(trial, out).state == "finished"
