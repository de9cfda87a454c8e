"""Training in real processes, connected by gloo, into one work directory: they train as one does, and end together."""

import json
import re
import signal
import socket
import time

import jax
import numpy as np
import optax
import pytest

from launch.runs import training
from launch.shell import signals
from tests import data_sets, processes, small_stages
from xdancer_jax.sharding import make_mesh, replicated
from xdancer_jax.train import checkpoint

STEPS = 10


@pytest.fixture(scope="module")
def dances(tmp_path_factory):
    """A toy data set for every stage."""
    return data_sets.toy(
        tmp_path_factory.mktemp("dances"), seed=0, train_clips=4, test_clips=2, frames=48, height=40, width=24
    )


def metrics(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def gradients(workdir, b1):
    """Of the first step, by path, from Adam's first moment after it: (1 - b1) times them."""
    directory = workdir / "checkpoints" / "1"
    place = replicated(make_mesh({}, jax.devices()[:1]))
    wanted = {
        path: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place)
        for path, leaf in checkpoint.metadata(directory)[0].items() if "/mu/" in path
    }
    assert wanted
    return {path: leaf / (1 - b1) for path, leaf in checkpoint.load(directory, wanted).items()}


@pytest.mark.process
@pytest.mark.parametrize(("name", "count", "table", "mesh"), [
    ("tokenizer", 4, "fsdp_tensor", {"data": 2, "tensor": 2}),  # each replica group reaches over two processes
    ("motion", 2, "data", {"dcn_data": 2}),
    ("autoencoder", 2, "fsdp", {"fsdp": 2}),
    pytest.param("video_motion", 2, "data", {"data": 2}, marks=pytest.mark.slow),
], ids=str)
def test_processes_train_as_one_does(name, count, table, mesh, dances, tmp_path):
    config = small_stages.config(name, batch_size=4)
    config.update(log_every=1, eval_every=STEPS, eval_batches=2, steps=STEPS)
    config.checkpoint.update(every=1, keep=STEPS)
    config.optimizer.clip_norm, config.optimizer.schedule, config.data.dir = 0.0, "constant", dances
    config.optimizer.eps = 1e-4  # else Adam's first steps are signs, also of gradients that are nothing but rounding
    split = config.copy_and_resolve_references()
    split.sharding = table
    split.mesh.update({"data": 1} | mesh)
    training.train(config.copy_and_resolve_references().lock(), tmp_path / "one")
    done = processes.train([processes.arguments(small_stages.VARIANTS[name], split, tmp_path / "all")] * count)
    assert done.statuses == [0] * count, "\n".join(done.told)

    one, many = metrics(tmp_path / "one"), metrics(tmp_path / "all")
    for figure, steps in (("loss", [*range(1, STEPS + 1)]), ("eval/loss", [STEPS])):
        assert [line["step"] for line in many if figure in line] == steps
        found, expected = ([line[figure] for line in lines if figure in line] for lines in (many, one))
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    found, expected = (gradients(tmp_path / run, config.optimizer.b1) for run in ("all", "one"))
    assert optax.tree.norm(optax.tree.sub(found, expected)) / optax.tree.norm(expected) < 1e-5
    stored = [checkpoint.stored(tmp_path / run) for run in ("all", "one")]
    assert stored[0].step == STEPS and stored[0].leaves.keys() == stored[1].leaves.keys()


def slurm(count):
    """What srun tells `count` processes on this host."""
    port = processes.address().rpartition(":")[2]
    return [{
        "SLURM_JOB_ID": "1", "SLURM_STEP_NODELIST": "localhost", "SLURM_NTASKS": str(count), "SLURM_PROCID": str(i),
        "SLURM_LOCALID": str(i), "JAX_COORDINATOR_PORT": port,
    } for i in range(count)]


def open_mpi(count):
    """What mpirun tells `count` processes on this host."""
    port = processes.address().rpartition(":")[2]
    return [{
        "OMPI_MCA_orte_hnp_uri": "4096.0;tcp://127.0.0.1:1", "OMPI_COMM_WORLD_SIZE": str(count),
        "OMPI_COMM_WORLD_RANK": str(i), "OMPI_COMM_WORLD_LOCAL_RANK": str(i), "JAX_COORDINATOR_PORT": port,
    } for i in range(count)]


@pytest.mark.process
def test_processes_that_were_given_other_things_are_refused_all_of_them(small, tmp_path):
    commands = [processes.arguments("tokenizer:tiny", small(), tmp_path / name) for name in ("a", "b")]
    commands[1].append("--config.optimizer.learning_rate=0.5")
    status, told = processes.train(commands, slurm(2))
    assert status == [1, 1]
    host = socket.gethostname()
    for text in told:
        [line] = [line for line in text.splitlines() if "Gloo" not in line]
        assert line.startswith("error: the processes of this run differ: "), text
        assert f'--workdir: "{tmp_path}/b" in process 1 on {host}, "{tmp_path}/a" in process 0' in line
        assert f"config.optimizer.learning_rate: 0.5 in process 1 on {host}, 0.004 in process 0; start all" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.process
def test_a_signal_to_one_process_saves_one_step_on_all(small, tmp_path):
    """SIGTERM, as a host that is about to be taken away gets it."""
    command = processes.arguments("tokenizer:tiny", small(steps=1_000_000, eval_every=0), tmp_path)
    with processes.started([command] * 2) as group:
        while not (tmp_path / "metrics.jsonl").exists():
            assert all(process.poll() is None for process in group)
            time.sleep(0.2)
        group[1].send_signal(signal.SIGTERM)
        status, told = processes.ended(group, 120)
    assert status == [signals.RESUMABLE] * 2, told
    step = checkpoint.newest(tmp_path)
    assert step and [line["step"] for line in metrics(tmp_path)] == list(range(1, step + 1))
    assert f"interrupted: the checkpoint of step {step} is saved in {tmp_path}; the same command goes on" in told[0]


@pytest.mark.process
@pytest.mark.parametrize("victim", [0, 1])
def test_a_process_that_is_killed_ends_the_others_with_one_line(victim, small, tmp_path):
    config = small(steps=1_000_000, eval_every=0)
    command = processes.arguments("tokenizer:tiny", config, tmp_path)
    with processes.started([command] * 2, open_mpi(2)) as group:
        while not (tmp_path / "metrics.jsonl").exists():
            assert all(process.poll() is None for process in group)
            time.sleep(0.2)
        group[victim].send_signal(signal.SIGKILL)
        killed = time.monotonic()
        told = group[1 - victim].communicate(timeout=120)[1]
    assert group[1 - victim].returncode == 1 and time.monotonic() - killed < 30
    lines = [line for line in told.splitlines() if re.match("error|Traceback|[A-Z]+:|[EF][0-9]{4} ", line)]
    host = socket.gethostname()
    assert lines == [
        f"error: process {victim} on host {host} ended without a word (killed, or out of memory), so all processes "
        f"end; no checkpoint is saved yet in {tmp_path}; the same command begins anew"
    ]
