"""Which losses belong to which clip and start, and what the table makes of them; a run is the benchmark itself."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np

from configs import motion, tokenizer
from launch.runs import resolve
from launch.runs.loading import Run
from tests import command_line
from xdancer_jax.stage import Stage

finetune = command_line.imported("benchmarks.finetune")


def _clips(count, offset):
    """Clip c: every joint at x = offset + c; y counts frames."""
    clips = []
    for clip in range(count):
        poses = np.ones((80, 60, 3), np.float32)
        poses[..., 0], poses[..., 1] = offset + clip, np.arange(80)[:, None]
        clips.append({"id": f"{clip}", "poses": poses, "music": np.zeros((80, 35), np.float32)})
    return clips


def _run():
    """Its loss is the clip's x, and 0.5 more in a window that starts from a standing pose."""

    def loss(params, extra, batch, rng, train):
        assert not train
        time = batch["poses"][0, :, 0, 1]
        standing = time[batch["poses"].shape[1] // 2 - 1] == time[4]
        return params["bias"] + batch["poses"][0, 0, 0, 0] + 0.5 * standing, ({}, extra)

    config = resolve.resolve(motion.get_config("tiny"), {"tokenizer": tokenizer.get_config("tiny")})
    return Run(Path("nowhere"), config, {}, Stage("motion", {}, loss), {"bias": jnp.float32(100)}, {}, 0, {})


def test_losses_are_means_of_each_clip():
    found = finetune.measure(_run(), {"choreography": _clips(2, 0), "general": _clips(3, 10)}, passes=4)
    assert set(found) == {(name, start) for name in ("choreography", "general") for start in ("dance", "standing")}
    np.testing.assert_allclose(found["general", "standing"], [110.5, 111.5, 112.5])
    assert ((found["general", "dance"] - [110, 111, 112]) < 0.5).all()  # but for windows at the clip's first frame
    np.testing.assert_allclose(found["choreography", "standing"], [100.5, 101.5])


def test_the_table_pairs_clips():
    key, losses = ("general", "dance"), np.array([1.0, 5.0, 9.0])
    (row,) = finetune.table({key: losses}, {0.0: {key: losses + 1}, 0.3: {key: losses}})
    assert row["change"] == {"0.0": [1, 1, 1], "0.3": [0, 0, 0]} and row["by_replay"] == {"0.3": [-1, -1, -1]}
    assert row["before"][0] == 5 and row["before"][1] < 3 and row["before"][2] > 7  # clips differ more than models
    finetune.show([row])
