"""A watch evaluates every checkpoint once, whatever ends it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from launch.figures import results, scalars, watching
from launch.figures.data import Data
from launch.runs import loading, training
from launch.stages import tokenizer
from tests import command_line
from tests.unit.train.test_writers import events
from xdancer_jax.evals import protocols
from xdancer_jax.train import checkpoint, lock


@pytest.fixture(scope="module")
def begun(small, tmp_path_factory):
    """A run with the checkpoints 1, 2 and 3, its last. Not to be changed."""
    workdir = tmp_path_factory.mktemp("begun")
    config = small(steps=3, eval_every=0).copy_and_resolve_references()
    config.checkpoint.update(every=1, keep=9)
    training.train(config.lock(), workdir)
    return workdir


@pytest.fixture
def run(begun, tmp_path):
    return shutil.copytree(begun, tmp_path / "run")


@pytest.fixture
def held_out(data):
    return Data(data, seed=3)


def watch(run, held_out, minutes=None):
    watching.watch(run, held_out, minutes, poll=0.01)


def found(run):
    """[(step, protocol)] of the lines of evaluation.jsonl."""
    return [(each.source["step"], each.protocol) for each in results.read(run / results.NAME)]


def shown(run):
    """{folder: [(step, name, value)]} of what TensorBoard reads."""
    folder = run / "tensorboard" / "evaluation"
    shown = {}
    for path in folder.iterdir():
        assert all("tfevents" in file.name for file in path.iterdir())
        shutil.copytree(path, run / "look" / path.name / "tensorboard")
        shown[path.name] = events(run / "look" / path.name)
    shutil.rmtree(run / "look")
    return shown


KINDS = ("pose_l1_half_height", "codebook_use", "second_pass_half_height")
ALL = [(step, kind) for step in (1, 2, 3) for kind in KINDS]


def stopping(function, after):
    """`function`, which the process does not survive after so many calls."""
    calls = []

    def called(*arguments, **options):
        calls.append(arguments)
        if len(calls) > after:
            raise KeyboardInterrupt
        return function(*arguments, **options)

    return called


def test_every_checkpoint_is_evaluated_once_in_order_and_shown_at_its_step(run, held_out, capsys):
    watch(run, held_out)
    assert found(run) == ALL
    assert "step 3 was the run's last" in capsys.readouterr().err
    before = (run / results.NAME).read_bytes()
    watch(run, held_out)
    assert (run / results.NAME).read_bytes() == before
    values = {
        (each.source["step"], f"{each.protocol}/{name}"): value
        for each in results.read(run / results.NAME) for name, value in each.values.items()
    }
    [(name, points)] = shown(run).items()
    assert name == f"test-{results.setting(held_out)['fingerprint'][:8]}-seed3"
    assert [step for step, _, _ in points] == sorted(step for step, _, _ in points)
    assert {(step, tag): value for step, tag, value in points} == pytest.approx(values) and len(points) == len(values)
    assert len({value for (_, tag), value in values.items() if tag == "pose_l1_half_height/full_body"}) == 3
    assert results.evaluated_steps(run) == {1, 2, 3}
    names = ["checkpoints", "config.json", results.NAME, "goodput.json", "metrics.jsonl", "tensorboard"]
    assert sorted(os.listdir(run)) == names


@pytest.mark.parametrize("place", ["measured", "half_written", "written", "shown"])
def test_a_kill_at_any_place_loses_nothing_and_repeats_nothing(run, held_out, monkeypatch, place):
    with monkeypatch.context() as patch:
        if place == "measured":
            patch.setattr(tokenizer, "figures", stopping(tokenizer.figures, 1))
        elif place == "half_written":
            patch.setattr(results, "write_atomically", stopping(results.write_atomically, 1))
        elif place == "written":
            patch.setattr(scalars, "derive", stopping(scalars.derive, 3))  # the first as it begins; of the last step
        else:
            patch.setattr(scalars.RecordWriter, "flush", stopping(scalars.RecordWriter.flush, 1))
        with pytest.raises(KeyboardInterrupt):
            watch(run, held_out)
    assert found(run) == {"measured": ALL[:3], "half_written": ALL[:3], "written": ALL, "shown": ALL[:6]}[place]
    if place == "half_written":
        with (run / results.NAME).open("a") as file:
            file.write('{"protocol": "cut sho')  # as a version that appended left it
    watch(run, held_out)
    assert found(run) == ALL
    [points] = shown(run).values()
    assert len(points) == len({point[:2] for point in points}) and {point[0] for point in points} == {1, 2, 3}


def test_other_settings_and_other_protocols_are_results_of_their_own(run, held_out, data, monkeypatch):
    watch(run, held_out)
    watch(run, Data(data, seed=4))
    assert found(run) == ALL * 2 and len(shown(run)) == 2
    monkeypatch.setattr(protocols, "version", lambda: "another")
    watch(run, held_out)
    assert found(run) == ALL * 3 and len(shown(run)) == 2
    for points in shown(run).values():
        assert len(points) == len({point[:2] for point in points})


def test_a_damaged_checkpoint_is_told_and_left_out_and_the_others_go_on(run, held_out, capsys):
    shutil.rmtree(run / "checkpoints" / "2" / "state")
    with pytest.raises(ValueError, match="run: checkpoints that could not be evaluated: 2; see the lines above"):
        watch(run, held_out)
    assert found(run) == ALL[:3] + ALL[6:]
    told = capsys.readouterr().err
    assert told.count("step 2 is left out: ") == 1 and "checkpoints/2: a damaged checkpoint" in told
    assert results.evaluated_steps(run) == {1, 3}


def test_a_checkpoint_that_is_removed_meanwhile_is_told_and_the_others_go_on(run, held_out, capsys, monkeypatch):
    load = loading.load

    def removed(workdir, step):
        if step == 2:
            shutil.rmtree(run / "checkpoints" / "2")
        return load(workdir, step=step)

    monkeypatch.setattr(loading, "load", removed)
    watch(run, held_out)
    assert found(run) == ALL[:3] + ALL[6:]
    assert "step 2 was removed before it could be evaluated" in capsys.readouterr().err


def test_what_comes_later_is_waited_for(run, held_out, capsys, monkeypatch):
    """The run begins, and each of its checkpoints comes, while the watch sleeps."""
    later, coming = run.with_name("later"), ["config.json", "checkpoints/1", "checkpoints/2", "checkpoints/3"]

    def sleep(seconds):
        name = coming.pop(0)
        (later / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).rename(later / name)

    monkeypatch.setattr(watching, "time", SimpleNamespace(sleep=sleep, monotonic=watching.time.monotonic))
    watch(later, held_out)
    assert found(later) == ALL and not coming
    waits = (f"no run in {later} yet", "no checkpoint of 3 steps yet", "step 1 of 3 is evaluated", "step 2 of 3")
    lines = [line for line in capsys.readouterr().err.splitlines() if line.endswith("; waiting for the next")]
    assert len(lines) == 4 and all(f"watch: {what}" in line for what, line in zip(waits, lines, strict=True))


def test_it_waits_no_longer_than_it_is_told(run, held_out, capsys):
    shutil.rmtree(run / "checkpoints" / "3")
    watch(run, held_out, minutes=0.001)
    assert "step 2 of 3 is evaluated, and nothing new came for 0.001 minutes (--watch_m" in capsys.readouterr().err
    watch(run.with_name("none"), held_out, minutes=0.001)
    assert not run.with_name("none").exists()


def test_one_watch_has_a_run(run, held_out):
    with lock.held(run, watching._LOCK, watching._TOLD), pytest.raises(
        ValueError, match=f"run: process {os.getpid()} on .* is watching this run already; wait until it has ended"
    ):
        watch(run, held_out)
    with lock.held(run):  # as its training does
        watch(run, held_out)


def test_nothing_is_compiled_anew_for_the_next_checkpoint(run, held_out, monkeypatch):
    seen, figures = [], tokenizer.figures
    monkeypatch.setattr(tokenizer, "figures", lambda run, data: seen.append(run) or figures(run, data))
    watch(run, held_out)
    assert len({id(each.stage) for each in seen}) == 1 and [each.step for each in seen] == [1, 2, 3]
    assert seen[0].stage.functions["reconstruct"] is seen[2].stage.functions["reconstruct"]


def test_steps_are_those_that_are_finished(run):
    (run / "checkpoints" / "4.orbax-checkpoint-tmp").mkdir()
    assert checkpoint.steps(run) == [1, 2, 3] and checkpoint.steps(run / "none") == []
    assert loading.load(run, step=1).step == 1
    with pytest.raises(ValueError, match=r"checkpoints: no checkpoint of step 7; found \['1', '2', '3', '4.orbax"):
        loading.load(run, step=7)


def test_steps_with_results_are_known_from_any_file(tmp_path):
    assert results.evaluated_steps(tmp_path) == set()
    lines = [json.dumps({"source": {"step": 5}}), "{", "[]", json.dumps({"source": {}}), '{"source": {"step": 6}}']
    (tmp_path / results.NAME).write_text("\n".join(lines))
    assert results.evaluated_steps(tmp_path) == {5}  # the last line is cut short


@pytest.mark.process
def test_a_signal_is_one_line_that_says_what_is_there(run, data):
    shutil.rmtree(run / "checkpoints" / "3")
    command = [sys.executable, "-m", "launch.evaluate", f"--run={run}", f"--data={data}", "--watch"]
    with subprocess.Popen(command, text=True, cwd=command_line.ROOT, stderr=subprocess.PIPE) as process:
        for line in process.stderr:
            if "step 2 of 3 is evaluated; waiting" in line:
                process.send_signal(signal.SIGTERM)
                break
        told = process.stderr.read()
    assert process.returncode == 143
    assert told == f"interrupted: 2 checkpoints have results in {run}/evaluation.jsonl; the same command goes on\n"
    assert found(run) == ALL[:6]
