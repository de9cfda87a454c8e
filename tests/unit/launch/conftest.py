import numpy as np
import pytest

from configs import tokenizer
from data_pipeline.pose_files import save_poses
from launch.runs import training
from tests import data_sets


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """Prepared poses of two people, 64 frames to train on and 16 held out of each."""
    folder, files = tmp_path_factory.mktemp("poses"), []
    for seed in range(2):
        xy = np.random.default_rng(seed).uniform((120, 40), (200, 200), size=(80, 60, 2))
        files.append(str(folder / f"{seed}.npz"))
        save_poses(files[-1], np.concatenate([xy, np.ones((80, 60, 1))], -1).astype(np.float32), 30, 240, 320)
    return data_sets.poses(folder / "data", files, 0.2)


@pytest.fixture(scope="session")
def small(data):
    """config(**changes): of a small tokenizer, two steps long."""

    def config(**changes):
        made = tokenizer.get_config("tiny")
        made.model.update(codebook_size=16, encoder_width=8, decoder_width=8)
        made.update(steps=2, batch_size=4, log_every=1, eval_every=2, eval_batches=1, samples=0)
        made.optimizer.schedule = "constant"
        made.data.dir = data
        made.update(changes)
        return made.lock()

    return config


@pytest.fixture(scope="session")
def trained(small, tmp_path_factory):
    """Work directory of that tokenizer after two steps. Not to be changed."""
    workdir = tmp_path_factory.mktemp("tokenizer")
    assert training.train(small(), workdir).step == 2
    return workdir
