"""Training in two real processes, connected by gloo, into one work directory."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from launch.runs import training
from xdancer_jax.train import checkpoint

SCRIPT = """
import sys
import jax
jax.distributed.initialize(sys.argv[1], 2, int(sys.argv[2]))
from launch.runs import sources, training
import json
config = sources.as_config(json.loads(sys.argv[3])).lock()
training.train(config, sys.argv[4])
"""


def losses(workdir):
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    return [line["loss"] for line in lines]


@pytest.mark.process
def test_two_processes_train_as_one_does(small, tmp_path):
    config = small(steps=3, eval_every=0)
    training.train(config, tmp_path / "one")
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    config = json.dumps(config.to_dict())
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, address, str(i), config, str(tmp_path / "two")], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, env=os.environ | {"JAX_CPU_COLLECTIVES_IMPLEMENTATION": "gloo"},
        ) for i in range(2)
    ]
    try:
        told = [process.communicate(timeout=300)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], "\n".join(told)
    np.testing.assert_allclose(losses(tmp_path / "two"), losses(tmp_path / "one"), rtol=1e-4)
    one, two = (checkpoint.stored(tmp_path / name) for name in ("one", "two"))
    assert one.step == two.step == 3 and one.leaves.keys() == two.leaves.keys()
