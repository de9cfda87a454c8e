"""launch.acceptance's parts that nothing else runs; the whole of it takes ten minutes and is run by hand."""

import subprocess
import sys

import pytest

from launch.runs import accepting
from tests import command_line, processes

CODE = """
import sys, jax
jax.distributed.initialize(sys.argv[1], 2, int(sys.argv[2]))
from launch.runs import accepting
print(accepting._storage(sys.argv[3], 0.001))
"""


def test_what_is_written_is_read_back_the_same(tmp_path):
    good, told = accepting._storage(str(tmp_path), 0.001)
    assert good and "0.00 GB written at" in told


@pytest.mark.process
def test_two_processes_write_and_read_one_state(tmp_path):
    arguments = [processes.address(), str(tmp_path)]
    group = [
        subprocess.Popen(
            [sys.executable, "-c", CODE, arguments[0], str(number), arguments[1]], cwd=command_line.ROOT, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) for number in range(2)
    ]
    told = [process.communicate(timeout=300) for process in group]
    assert all("(True, '0.00 GB written" in out for out, _ in told), told
