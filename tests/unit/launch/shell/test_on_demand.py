import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from launch.shell import on_demand


def test_a_signal_asks_for_a_profile_and_handlers_come_back():
    asked, before = [], signal.getsignal(signal.SIGUSR1)
    with on_demand.answered(lambda: asked.append(1)):
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR1)
    assert asked == [1, 1]
    assert signal.getsignal(signal.SIGUSR1) == before


@pytest.mark.process
def test_stacks_come_while_the_main_thread_hangs_in_c():
    code = (
        "import ctypes\nfrom launch.shell import on_demand\n"
        "lock, mutex = ctypes.PyDLL(None).pthread_mutex_lock, ctypes.create_string_buffer(64)\n"
        "lock(mutex)\n"  # PyDLL keeps Python's own lock meanwhile
        "def hangs():\n    print('inside', flush=True)\n    lock(mutex)\n"
        "with on_demand.answered(lambda: None):\n    hangs()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[4], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    killer = threading.Timer(20, process.kill)  # else a test that fails waits for ever
    killer.start()
    try:
        assert process.stdout.readline() == b"inside\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGUSR2)
        lines = [process.stderr.readline().decode() for _ in range(3)]
        assert "in hangs" in "".join(lines)
    finally:
        killer.cancel()
        process.kill()
        process.communicate()
