"""Ctrl-C and SIGTERM, as a user and a shell see them."""

import os
import signal
import subprocess
import sys
import time

import pytest

from launch.runs import training
from launch.shell import cli, signals
from tests import command_line
from xdancer_jax.train import checkpoint
from xdancer_jax.train.settings import Summary


@pytest.fixture(autouse=True)
def as_from_a_terminal():
    """Whoever starts the tests in the background has them, and what they start, ignore Ctrl-C."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_is_one_line_and_its_status(monkeypatch, tmp_path, number, status):
    monkeypatch.setattr(training, "train", lambda *args, **options: signal.raise_signal(number))
    monkeypatch.setattr(signals, "_came", [])
    done = command_line.run("launch.train", "--config=configs/tokenizer.py:tiny", f"--workdir={tmp_path}")
    assert done.returncode == status and done.stdout == ""
    assert done.stderr == (
        f"interrupted: no checkpoint is saved yet in {tmp_path}; the same command begins anew\n"
    )


def test_an_interrupted_run_says_what_is_saved_and_how_to_go_on(trained):
    assert training.left(trained) == (
        f"the checkpoint of step 2 is saved in {trained}; the same command goes on from it"
    )


def test_handlers_come_back_where_no_signal_came():
    before = signal.getsignal(signal.SIGINT)
    with signals.handled():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before and cli.EXPECTED


def test_where_work_is_saved_first_a_signal_is_noted_and_the_next_one_leaves(monkeypatch):
    monkeypatch.setattr(signals, "_came", [])
    left = []
    monkeypatch.setattr(signals, "_leave", left.append)
    with signals.handled():
        with signals.deferred() as interrupted:
            assert not interrupted()
            signal.raise_signal(signal.SIGTERM)
            assert interrupted() and not left
            signal.raise_signal(signal.SIGINT)
            assert left == [signal.SIGINT]
        with signals.deferred() as again:
            assert not again()


def test_outside_of_it_a_signal_stops_at_once(monkeypatch):
    monkeypatch.setattr(signals, "_came", [])
    with signals.handled(), pytest.raises(signals.Stopped):
        with signals.deferred():
            pass
        signal.raise_signal(signal.SIGINT)


def test_a_run_that_was_told_to_end_is_no_success(monkeypatch, tmp_path):
    told = Summary(0, 7, interrupted=True)
    monkeypatch.setattr(training, "train", lambda *args, **options: told)
    monkeypatch.setattr(training.checkpoint, "newest", lambda workdir: 7)
    monkeypatch.setattr(signals, "_statuses", [])
    done = command_line.run("launch.train", "--config=configs/tokenizer.py:tiny", f"--workdir={tmp_path}")
    assert done.returncode == 75 and done.stdout == ""
    assert done.stderr.startswith(f"interrupted: the checkpoint of step 7 is saved in {tmp_path}; the same command")


@pytest.mark.process
def test_ctrl_c_leaves_one_line_and_no_process(data, tmp_path):
    """The whole process group gets it, as from a terminal, once loaders are at work and a checkpoint is there."""
    command = [
        sys.executable, "-m", "launch.train", "--config=configs/tokenizer.py:tiny", f"--workdir={tmp_path / 'run'}",
        f"--config.data.dir={data}", "--config.steps=1000000", "--config.optimizer.schedule=constant",
        "--config.checkpoint.every=20", "--config.eval_every=0", "--config.batch_size=4", "--config.data.workers=2",
        "--config.log_every=1000000",
    ]
    process = subprocess.Popen(
        command, cwd=command_line.ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )
    try:
        while process.poll() is None and not (tmp_path / "run" / "checkpoints" / "20").is_dir():
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=60)
        time.sleep(0.2)
        assert process.returncode == signals.RESUMABLE, told
        lines = [line for line in told.splitlines() if not line.startswith(("stage", "parameters", "tokenizer", "tot"))]
        step = checkpoint.newest(tmp_path / "run")
        assert lines == [
            f"interrupted: the checkpoint of step {step} is saved in {tmp_path}/run; the same command goes on from it"
        ]
        assert not _alive(process.pid)
    finally:
        if _alive(process.pid):
            os.killpg(process.pid, signal.SIGKILL)


def _alive(group):
    """Processes of the group that are no zombies."""
    listed = subprocess.run(["ps", "-A", "-o", "pgid=,stat="], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if line.split()[0] == str(group) and "Z" not in line.split()[1]]
