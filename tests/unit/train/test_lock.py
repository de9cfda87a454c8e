"""One training a work directory: the lock of it."""

import os
import signal
import subprocess
import sys

import pytest

from xdancer_jax.train import flock, lock


def test_a_second_training_is_refused_until_the_first_has_ended(tmp_path):
    workdir = tmp_path / "runs" / "one"
    with lock.held(workdir):
        told = f"{workdir}: process {os.getpid()} on .* is training there; wait"
        with pytest.raises(ValueError, match=told), lock.held(workdir):
            raise AssertionError
        with lock.held(tmp_path / "other"):
            (workdir / "config.json").touch()
    with lock.held(workdir):
        pass
    assert [entry.name for entry in tmp_path.iterdir()] == ["runs"]  # empty folders that were made for it are gone
    assert os.listdir(workdir) == ["config.json"]


def test_an_error_inside_lets_it_go(tmp_path):
    with pytest.raises(FloatingPointError), lock.held(tmp_path):
        raise FloatingPointError
    assert os.listdir(tmp_path) == []
    with lock.held(tmp_path):
        assert os.listdir(tmp_path) == ["lock"]


def test_a_work_directory_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    told = "cannot write into the work directory.*file/run/lock"
    with pytest.raises(OSError, match=told), lock.held(tmp_path / "file" / "run"):
        raise AssertionError


def test_a_file_system_without_locks_is_told(tmp_path, monkeypatch, caplog):
    def none(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(flock.fcntl, "flock", none)
    with caplog.at_level("WARNING", "xdancer_jax"), lock.held(tmp_path):
        pass
    assert "no locks (Operation not supported)" in caplog.text


@pytest.mark.process
def test_the_lock_of_a_killed_process_is_free(tmp_path):
    code = f"""import time
from xdancer_jax.train import lock
with lock.held({str(tmp_path)!r}):
    print("held", flush=True)
    time.sleep(60)"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match=f"process {other.pid} on"), lock.held(tmp_path):
            raise AssertionError
        other.send_signal(signal.SIGKILL)
    with lock.held(tmp_path):
        pass


def test_all_processes_of_a_group_are_refused_with_process_0(tmp_path, monkeypatch):
    monkeypatch.setattr(lock.jax, "process_index", lambda: 1)
    monkeypatch.setattr(lock.together, "any_of", lambda own: False)
    with lock.held(tmp_path):  # process 0 holds it for all
        assert os.listdir(tmp_path) == []
    monkeypatch.setattr(lock.together, "any_of", lambda own: True)
    with pytest.raises(ValueError, match="process 0 could not take it"), lock.held(tmp_path):
        raise AssertionError
