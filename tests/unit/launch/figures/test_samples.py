"""What a run draws while it trains."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from configs import autoencoder
from data_pipeline import image_files, provenance, video_files
from data_pipeline.schema import FRAMES
from launch import stages
from launch.figures import grids
from launch.figures.data import Data
from launch.figures.samples import samples_hook
from launch.making import dances, painting
from launch.runs import build, loading, resolve
from tests import untrained_run
from tests.unit.launch.making import test_dances, test_painting
from xdancer_jax import sharding


@pytest.fixture(scope="module")
def config(small):
    return resolve.resolve(small(samples=2, eval_every=5))


@pytest.fixture
def hook(tmp_path):
    """hook(config): into tmp_path."""

    def made(config):
        mesh = sharding.make_mesh({"data": 1, "fsdp": 1, "tensor": 1}, jax.devices()[:1])
        return samples_hook(config, tmp_path, stages.find(config.name).make(config), mesh, build.rules(config))

    return made


def state_of(config, seed):
    """All of it trained."""
    state = untrained_run.state_of(config, seed)
    return state.replace(frozen=jax.tree.map(lambda _: None, state.params))


def test_the_same_clips_are_drawn_at_each_evaluation_by_the_weights_of_that_step(config, hook, tmp_path):
    draw, states = hook(config), [state_of(config, seed) for seed in (1, 2)]
    assert draw.name == "samples" and [draw.due(step, 9) for step in (4, 5, 9)] == [False, True, True]
    assert draw.run(5, states[0])["seconds"] > 0
    draw.run(10, states[0])
    draw.run(15, states[1])
    draw.run(20, states[0].replace(ema=states[1].params, extra=states[1].extra))  # averaged ones, as evaluations do
    files = sorted((tmp_path / "samples").iterdir())
    assert [path.name for path in files] == [f"step_{step:06d}.mp4" for step in (5, 10, 15, 20)]
    first, again, other, averaged = (
        np.stack([frame for _, frame in video_files.iter_video(path)]) for path in files
    )
    assert first.shape == (8, 168, 384, 3)  # every second of 16 frames, two pairs
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(other, averaged)
    assert (first != other).mean() > 0.001
    changed = np.abs(first.astype(int) - other).mean(axis=(0, 1, 3)).reshape(4, 96).mean(axis=1)  # of each panel
    assert changed[[0, 2]].max() < changed[[1, 3]].min() / 5, changed  # compression touches the true poses a little
    donated = jax.jit(lambda state: state.replace(step=state.step + 1), donate_argnums=0)(states[0])
    assert int(donated.step) == 2 and jax.tree.leaves(states[0].params)[0].is_deleted()  # nothing was kept


def test_none_are_drawn_where_none_are_asked_for(small, hook):
    assert hook(resolve.resolve(small(samples=0, eval_every=5))).every == 0
    assert hook(resolve.resolve(small(samples=2, eval_every=0))).every == 0


def test_a_folder_that_takes_no_samples_stops_no_training(config, hook, tmp_path, caplog):
    (tmp_path / "samples").touch()
    assert "seconds" in hook(config).run(5, state_of(config, 1))
    assert "samples: not written, training goes on: " in caplog.text


@pytest.fixture
def records(monkeypatch):
    """Three clips of 12 frames and longer songs, in place of a data set."""
    rng = np.random.default_rng(0)
    made = [
        {
            "poses": rng.random((12, 60, 3)).astype(np.float32), "music": rng.random((20, 35)).astype(np.float32),
            FRAMES: [image_files.encode_jpeg(x) for x in rng.integers(0, 256, (12, 16, 8, 3), dtype=np.uint8)],
        } for _ in range(3)
    ]
    monkeypatch.setattr(Data, "records", lambda self, fields: [{f: x[f] for f in fields} for x in made[: self.clips]])
    return made


def test_dances_are_drawn_beside_one_another(records, tmp_path):
    run = loading.load(test_dances.motion_run(tmp_path, 0))
    video = stages.find("motion").samples(run, Data("nowhere", clips=3, seed=4))
    assert video.shape == (10, 336, 192, 3) and not video[:, 168:, 96:].any()  # of 20 frames; 3 of 4 places
    song = dances.Song(np.zeros(0, np.float32), records[1]["music"])
    [dance] = dances.choreograph(run, [song], [dances.tokens_of(run, records[1]["poses"][:1])], 20, [4], quiet=True)
    np.testing.assert_array_equal(video[:, :168, 96:], grids.skeletons(dance.poses))


def test_frames_of_an_autoencoder_stand_over_their_reconstructions(records, tmp_path):
    config = autoencoder.get_config("tiny")
    config.model.update(block_out_channels=(4, 4, 4), layers_per_block=1, latent_channels=4, norm_groups=2)
    run = loading.load(untrained_run.write(tmp_path / "run", config, 1))
    picture = stages.find("autoencoder").samples(run, Data("nowhere", clips=1))
    frame = image_files.decode_jpeg(records[0][FRAMES][0])
    batch = {"frames": jnp.asarray(frame[None])}
    made = run.stage.functions["reconstruct"](run.params, run.extra, batch, jax.random.key(0))
    assert picture.shape == (32, 8, 3)  # one frame: the clip is shorter than a second
    np.testing.assert_array_equal(picture[:16], frame)
    np.testing.assert_allclose(picture[16:].astype(int), np.round(255 * np.asarray(made["frames"][0])), atol=1)


@pytest.mark.slow
def test_true_frames_stand_over_painted_ones_and_nothing_is_compiled_twice(records, write, monkeypatch):
    run, made = loading.load(write("motion"), "video"), painting._generate.cache_info().misses
    data = Data("nowhere", clips=2, frames=8, seed=4)
    pictures = [stages.find("video").samples(run, data) for _ in range(2)]
    assert painting._generate.cache_info().misses == made + 1
    np.testing.assert_array_equal(*pictures)
    assert pictures[0].shape == (32, 2 * 4 * 8, 3)
    shown = [image_files.decode_jpeg(records[1][FRAMES][i]) for i in (2, 4, 6, 8)]  # of the middle eight
    np.testing.assert_array_equal(pictures[0][:16, 32:], np.concatenate(shown, axis=1))
    tokens = dances.tokens_of(run, records[1]["poses"])[2:10]
    dancer = painting.Dancer(image_files.decode_jpeg(records[1][FRAMES][0]), records[1]["poses"][0])
    frames = painting.painter(run, None)(dancer, dances.Dance(records[1]["poses"][2:10], tokens), 4)
    np.testing.assert_array_equal(pictures[0][16:, 32:], np.concatenate(list(frames[::2]), axis=1))


write = test_painting.write  # the fixture: write(phase) -> work directory


def test_a_grid_is_written_whole_by_its_kind(tmp_path):
    picture = grids.tile([np.full((4, 6, 3), value, np.uint8) for value in (10, 20, 30)])
    assert picture.shape == (8, 12, 3) and picture[5, 1, 0] == 30 and picture[5, 7, 0] == 0
    path = grids.write(tmp_path / "a" / "step_1", picture)
    assert path == Path(tmp_path / "a" / "step_1.png")
    np.testing.assert_array_equal(np.asarray(Image.open(path)), picture)
    assert grids.write(tmp_path / "b", np.zeros((2, 4, 6, 3), np.uint8)).name == "b.mp4"
    assert provenance.source_of(tmp_path / "b.mp4") == provenance.COMPOSITE
    assert sorted(x.name for x in tmp_path.rglob("*") if x.is_file()) == ["b.mp4", "step_1.png"]
    with pytest.raises(ValueError, match="a grid of no examples"):
        grids.tile([])
