"""Training in two real processes, connected by gloo, into one work directory."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from launch.runs import training
from launch.shell import fields
from tests import command_line
from xdancer_jax.train import checkpoint


def losses(workdir):
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    return [line["loss"] for line in lines]


def run(config, workdirs, *of_second):
    """launch.train of a tokenizer's config in two processes, with more arguments of the second: (status, stderr)."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    given = [f"--config.{'.'.join(path)}={value}" for path, value in fields.leaves(config) if path[0] != "parts"]
    command = [sys.executable, "-m", "launch.train", "--config=configs/tokenizer.py:tiny", *given]
    command += [f"--coordinator={address}", "--num_processes=2"]
    processes = [
        subprocess.Popen(
            [*command, f"--process_id={i}", f"--workdir={workdir}", *(of_second if i else ())], text=True,
            cwd=command_line.ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=os.environ | {"JAX_PLATFORMS": "cpu"},
        ) for i, workdir in enumerate(workdirs)
    ]
    try:
        told = [process.communicate(timeout=300)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [process.returncode for process in processes], told


@pytest.mark.process
def test_two_processes_train_as_one_does(small, tmp_path):
    config = small(steps=3, eval_every=0)
    training.train(config, tmp_path / "one")
    status, told = run(config, [tmp_path / "two"] * 2)
    assert status == [0, 0], "\n".join(told)
    np.testing.assert_allclose(losses(tmp_path / "two"), losses(tmp_path / "one"), rtol=1e-4)
    one, two = (checkpoint.stored(tmp_path / name) for name in ("one", "two"))
    assert one.step == two.step == 3 and one.leaves.keys() == two.leaves.keys()


@pytest.mark.process
def test_processes_that_were_given_other_things_are_refused_all_of_them(small, tmp_path):
    config = small(steps=3, eval_every=0)
    status, told = run(config, [tmp_path / "a", tmp_path / "b"], "--config.optimizer.learning_rate=0.5")
    assert status == [1, 1]
    host = socket.gethostname()
    for text in told:
        assert text.startswith("error: the processes of this run differ: ") and text.count("\n") == 1, text
        assert f'--workdir: "{tmp_path}/b" in process 1 on {host}, "{tmp_path}/a" in process 0' in text
        assert f"config.optimizer.learning_rate: 0.5 in process 1 on {host}, 0.004 in process 0; start all" in text
    assert not list(tmp_path.iterdir())
