import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from data_pipeline import workers

_CODE = """
import multiprocessing, time
from data_pipeline import workers

def work(pipe):
    workers.follow_parent()
    pipe.send(1)
    time.sleep(300)

if __name__ == "__main__":
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    with workers.starting():
        child = spawn.Process(target=work, args=(theirs,), daemon=True)
        child.start()
    ours.recv()
    print(child.pid, flush=True)
    time.sleep(300)
"""


@pytest.mark.process
@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks into /proc")
def test_a_worker_never_sees_ctrl_c_and_ends_with_its_killed_parent(tmp_path):
    (tmp_path / "main.py").write_text(_CODE)
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    parent = subprocess.Popen(
        [sys.executable, str(tmp_path / "main.py")], stdout=subprocess.PIPE, text=True, env=environment,
        start_new_session=True,
    )
    with parent:
        child = int(parent.stdout.readline())
        os.kill(child, signal.SIGINT)
        time.sleep(0.3)
        assert _lives(child)
        parent.kill()
        until = time.monotonic() + 10
        while _lives(child) and time.monotonic() < until:
            time.sleep(0.05)
        assert not _lives(child)


def _lives(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_signals_are_blocked_only_inside():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, set())
    with workers.starting():
        assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, set())
    assert signal.pthread_sigmask(signal.SIG_BLOCK, set()) == before
    assert "resource_tracker" not in os.environ.get("PYTHONWARNINGS", "")


def test_the_first_process_follows_nobody():
    assert multiprocessing.parent_process() is None
    workers.follow_parent()
