"""Training in real processes, connected by gloo, into one work directory: they train as one does, and end together."""

import json

import jax
import numpy as np
import optax
import pytest

from data_pipeline import builders
from launch.runs import training
from tests import processes, small_stages
from xdancer_jax.sharding import make_mesh, replicated
from xdancer_jax.train import checkpoint

STEPS = 10


@pytest.fixture(scope="module")
def dances(tmp_path_factory):
    """A toy data set for every stage."""
    config = builders.ToyConfig(seed=0, train_clips=4, test_clips=2, frames=48, height=40, width=24)
    return builders.prepare(str(tmp_path_factory.mktemp("dances")), config, workers=0)


def metrics(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def gradients(workdir, b1):
    """Of the first step, by path, from Adam's first moment after it: (1 - b1) times them."""
    directory = workdir / "checkpoints" / "1"
    place = replicated(make_mesh({}, jax.devices()[:1]))
    wanted = {
        path: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place)
        for path, leaf in checkpoint._metadata(directory)[0].items() if "/mu/" in path
    }
    assert wanted
    return {path: leaf / (1 - b1) for path, leaf in checkpoint._load(directory, wanted).items()}


@pytest.mark.process
@pytest.mark.parametrize(("name", "count", "table", "mesh"), [
    ("tokenizer", 4, "fsdp_tensor", {"data": 2, "tensor": 2}),  # each replica group reaches over two processes
    ("motion", 2, "data", {"dcn_data": 2}),
    ("autoencoder", 2, "fsdp", {"fsdp": 2}),
    ("video_motion", 2, "data", {"data": 2}),
], ids=str)
def test_processes_train_as_one_does(name, count, table, mesh, dances, tmp_path):
    config = small_stages.config(name, batch_size=4)
    config.update(steps=STEPS, log_every=1, eval_every=STEPS, eval_batches=2)
    config.optimizer.clip_norm = 0.0
    config.data.dir, config.checkpoint.every, config.checkpoint.keep = dances, 1, STEPS
    training.train(config.copy_and_resolve_references().lock(), tmp_path / "one")
    config.sharding = table
    config.mesh.update({"data": 1} | mesh)
    done = processes.train([processes.arguments(small_stages.VARIANTS[name], config, tmp_path / "all")] * count)
    assert done.statuses == [0] * count, "\n".join(done.told)

    one, many = metrics(tmp_path / "one"), metrics(tmp_path / "all")
    assert [line["step"] for line in many] == [line["step"] for line in one] == [*range(1, STEPS + 1), STEPS]
    for figure in ("loss", "eval/loss"):
        found, expected = ([line[figure] for line in lines if figure in line] for lines in (many, one))
        assert len(found) == (1 if figure == "eval/loss" else STEPS)
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    found, expected = (gradients(tmp_path / run, config.optimizer.b1) for run in ("all", "one"))
    assert optax.tree.norm(optax.tree.sub(found, expected)) / optax.tree.norm(expected) < 1e-5
    stored = [checkpoint.stored(tmp_path / run) for run in ("all", "one")]
    assert stored[0].step == STEPS and stored[0].leaves.keys() == stored[1].leaves.keys()
