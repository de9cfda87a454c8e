import numpy as np
import pytest
from jax.sharding import AbstractMesh

from configs import motion, tokenizer, video
from launch.runs import build, resolve
from xdancer_jax import sharding


def motion_config(variant="tiny"):
    config = motion.get_config(variant)
    config.parts.tokenizer.source = config.parts.gpt.source = "random"
    return config


def test_a_missing_data_folder_is_named():
    with pytest.raises(ValueError, match=r"config\.data\.dir is empty"):
        build.batches(tokenizer.get_config("tiny"), "train")


def test_an_unknown_sharding_table_is_named():
    config = tokenizer.get_config("tiny")
    config.sharding = "zero3"
    with pytest.raises(ValueError, match=r"config\.sharding='zero3'"):
        build.rules(config)


def test_weights_are_not_trained_in_bfloat16():
    config = tokenizer.get_config("tiny")
    config.param_dtype = "bfloat16"
    with pytest.raises(ValueError, match="config.param_dtype='bfloat16': training keeps"):
        build.optimizer(config)


def test_a_parts_rate_reaches_the_optimizer(monkeypatch):
    config, seen = motion_config(), {}
    config.parts.gpt.learning_rate = 0.5
    monkeypatch.setattr(build, "make_optimizer", lambda **options: seen.update(options))
    build.optimizer(config)
    assert seen["factors"] == {"tokenizer": 1.0, "gpt": 0.5} and seen["steps"] == config.steps


def test_share_replay_seed_and_start_reach_the_loader_in_training_alone(monkeypatch):
    config = motion_config("tiny_finetune")
    config.data.update(dir="choreography", share=0.5, replay_dir="general")
    config.seed = 7
    config, calls = resolve.resolve(config), []
    monkeypatch.setattr(build.loaders, "motion", lambda *args, **options: calls.append((args, options)))
    monkeypatch.setattr(build.sharding, "rows", lambda *where: sharding.Rows((1,), 2))
    build.batches(config, "train", 5)
    build.batches(config, "test", train=False)
    for (args, options), split in zip(calls, ("train", "test"), strict=True):
        assert args == ("choreography", split, config.batch_size, 7)
        assert (options["process_index"], options["process_count"]) == (1, 2)
    train, test = (options for _, options in calls)
    assert (train["share"], train["replay"], train["replay_rate"], train["start_step"]) == (0.5, "general", 0.5, 5)
    assert train["replay_static_context_rate"] == 0.8 and train["static_context_rate"] == 0.2
    assert not {"share", "replay", "replay_rate", "start_step"} & set(test)
    assert (test["shuffle"], test["static_context_rate"]) == (False, 0.0)


@pytest.mark.parametrize("blocks", [(1,), (0, 2), (1, 2, 3)])
def test_a_process_loads_its_blocks_of_each_batch(small, monkeypatch, blocks):
    config = small(batch_size=8)
    whole = next(build.batches(config, "train", 3))["poses"]
    monkeypatch.setattr(build.sharding, "rows", lambda *where: sharding.Rows(blocks, 4))
    found = next(build.batches(config, "train", 3))["poses"]
    np.testing.assert_array_equal(found, np.concatenate([whole[2 * block : 2 * block + 2] for block in blocks]))


def test_a_batch_or_a_mesh_that_does_not_fit_is_refused_before_anything_is_read(small, monkeypatch):
    with pytest.raises(ValueError, match="mesh .* does not fit 1 devices; the nearest that does: .*mesh.data=1,"):
        build.batches(small(mesh={"data": 3}), "train")
    monkeypatch.setattr(build.sharding, "make_mesh", lambda sizes: AbstractMesh((4,), ("data",)))
    monkeypatch.setitem(build.TABLES, "data", (("batch", ("data",)),))
    with pytest.raises(ValueError, match="batch_size 6 is no multiple of the 4 devices of .*; the nearest that is: 8"):
        build.batches(small(batch_size=6), "train")


def test_shapes_of_a_batch_without_data():
    shapes = build.batch_shapes(resolve.resolve(motion_config()), 3)
    assert shapes["music"].shape == (3, 64, 35) and shapes["poses"].shape == (3, 64 + 2 * 4, 60, 3)


def test_a_video_phase_loads_what_its_pose_control_reads():
    def fields(variant, **changes):
        config = video.get_config(variant)
        config.update(changes)
        for part in config.parts.values():
            part.source = "random"
        return set(build.batch_shapes(resolve.resolve(config), 1))

    pictures = {"reference", "frames"}
    assert fields("paper_appearance") == pictures
    assert fields("paper_motion") == pictures | {"poses", "pose_window"}
    assert fields("paper_motion", pose_control="pose_guider") == pictures | {"pose_images"}
