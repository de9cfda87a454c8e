"""A run of the trainer whose work directory lies in an object store: what stays the same, and what a store breaks."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import toy_stage
from tests.unit.train import test_loop
from tests.unit.train.test_checkpoint import abstract, read, save, state
from xdancer_jax import paths
from xdancer_jax.train import checkpoint, disk, metrics, record
from xdancer_jax.train.checkpointer import Checkpointer
from xdancer_jax.train.retention import newest

WORKDIR = "gs://bucket/run"


def test_a_run_that_goes_on_is_bitwise_the_local_one(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole, _ = toy_stage.run("whole", 6)
    toy_stage.run(WORKDIR, 3)
    halves, summary = toy_stage.run(WORKDIR, 6)
    toy_stage.assert_same(whole, halves)
    assert summary.start_step == 3 and record.read(WORKDIR)["stage"] == record.read("whole")["stage"]
    rows = [test_loop.without_speed(metrics.read(workdir)) for workdir in ("whole", WORKDIR)]
    assert rows[0] == rows[1] and len(rows[0]) == 6
    assert [entry.name for entry in tmp_path.iterdir()] == ["whole"]  # no local folder gs:
    assert {name.split("/")[1] for name in store.names("bucket")} == {
        "checkpoints", "config.json", "frozen", "goodput.json", "metrics", "tensorboard"}


def test_newest_are_kept_frozen_weights_come_back_and_readers_get_both(store):
    save(WORKDIR, [state(step) for step in (1, 2, 3)], keep=2)
    assert checkpoint.newest(WORKDIR) == 3 and {name.split("/")[2] for name in steps(store)} == {"2", "3"}
    with Checkpointer(WORKDIR, newest(2)) as checkpointer:
        toy_stage.assert_same(checkpointer.restore(3, abstract(state())), state(3))
    np.testing.assert_array_equal(read(WORKDIR)["params/teacher/w"], np.ones(2))
    assert checkpoint.stored(WORKDIR).digests == {"dense": "digest 3", "teacher": "t"}


def steps(store):
    return [name for name in store.names("bucket") if name.startswith("run/checkpoints/")]


def unfinish(store, folder):
    """As a process that is killed while it saves leaves it: the object that says so is the last to be put."""
    del store.objects["bucket"][f"run/{folder}/commit_success.txt"]


def test_a_checkpoint_that_was_not_finished_does_not_count_and_is_removed(store):
    save(WORKDIR, [state(1), state(2)])
    unfinish(store, "checkpoints/2")
    assert checkpoint.newest(WORKDIR) == 1 == checkpoint.stored(WORKDIR).step
    with Checkpointer(WORKDIR, newest(3)):
        assert {name.split("/")[2] for name in steps(store)} == {"1"}
    save(WORKDIR, [state(2)])
    assert checkpoint.newest(WORKDIR) == 2


def test_frozen_weights_that_were_not_finished_are_written_anew(store):
    save(WORKDIR, [state(1)])
    [folder] = {name.split("/")[2] for name in store.names("bucket") if name.startswith("run/frozen/")}
    unfinish(store, f"frozen/{folder}")
    save(WORKDIR, [state(2)])
    assert f"run/frozen/{folder}/commit_success.txt" in store.names("bucket")
    np.testing.assert_array_equal(read(WORKDIR)["params/teacher/w"], np.ones(2))


def test_a_save_that_the_store_refuses_is_a_warning_and_the_next_one_is_tried(store, caplog):
    with Checkpointer(WORKDIR, newest(3)) as checkpointer:
        checkpointer.write_frozen(state(1))
        for step in (1, 2, 3):
            checkpointer._settle()
            store.broken = "POST .*checkpoints" if step == 2 else ""
            checkpointer.save(step, state(step), {"dense": "d", "teacher": "t"})
    told = "gs://bucket/run/checkpoints: a checkpoint could not be written; the finished ones stay"
    assert caplog.text.count(told) == 1
    assert "the store does not answer as it should: Forbidden" in caplog.text
    assert {name.split("/")[2] for name in steps(store)} == {"1", "3"}


def test_a_save_that_breaks_off_half_way_leaves_nothing_that_counts(store, caplog):
    with Checkpointer(WORKDIR, newest(3)) as checkpointer:
        checkpointer.write_frozen(state(1))
        checkpointer.save(1, state(1), {"dense": "d", "teacher": "t"})
        checkpointer._settle()
        store.broken = "POST .*checkpoints/2/commit_success"
        checkpointer.save(2, state(2), {"dense": "d", "teacher": "t"})
        checkpointer._settle()
        assert checkpoint.newest(WORKDIR) == 1
        store.broken = ""
        checkpointer.save(2, state(2), {"dense": "d", "teacher": "t"})
    assert checkpoint.newest(WORKDIR) == 2 and caplog.text.count("warning: gs://bucket/run/checkpoints") == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("broken", ["GET .*alt=media", "GET .*_METADATA", "GET .*/d/"])
def test_a_checkpoint_that_cannot_be_had_is_not_called_damaged_for_sure(store, broken):
    save(WORKDIR, [state(1, params={"w": jnp.arange(3_000.0)}, frozen={}, ema=None)])
    store.broken = broken
    with pytest.raises((OSError, ValueError), match="store (that )?does not answer") as error:
        read(WORKDIR)
    assert "gs://bucket/run/checkpoints/1: " in str(error.value) and "\n" not in str(error.value)
    store.broken = ""
    assert read(WORKDIR)["params/w"].shape == (3_000,)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_lost_object_is_damage(store):
    save(WORKDIR, [state(1, params={"w": jnp.arange(3_000.0)}, frozen={}, ema=None)])
    for name in [name for name in steps(store) if "/d/" in name]:
        del store.objects["bucket"][name]
    with pytest.raises(ValueError, match="checkpoints/1: a damaged checkpoint.*try again; if it stays so, remove it"):
        read(WORKDIR)


def test_the_config_is_put_whole_or_not_at_all(store):
    record.write(WORKDIR, {"stage": "toy", "config": {"name": "toy"}})
    store.broken = "POST .*config"
    with pytest.raises(OSError, match="gs://bucket/run/config.json: the store does not answer"):
        record.write(WORKDIR, {"stage": "toy", "config": {"name": "toy", "seed": 1}})
    assert json.loads(store.objects["bucket"]["run/config.json"].data)["config"] == {"name": "toy"}
    assert store.names("bucket") == ["run/config.json"] and record.exists(WORKDIR)
    assert not record.exists("gs://bucket/other")
    with pytest.raises(ValueError, match="gs://bucket/other: no such directory"):
        record.read("gs://bucket/other")
    with pytest.raises(OSError, match="no bucket gs://none"):
        record.read("gs://none/run")


def test_a_folder_is_tried_by_an_object_that_does_not_stay(store):
    disk.check(paths.at(WORKDIR) / "checkpoints", 10**15)
    assert store.names("bucket") == [] and any("probe" in url for _, url in store.asked)
    store.broken = "POST"
    with pytest.raises(OSError, match="Forbidden"):
        disk.check(paths.at(WORKDIR) / "checkpoints", 1)
    with pytest.raises(ValueError, match=r"holds \* \[ \], which Orbax takes for a pattern"):
        disk.check_no_pattern("gs://bucket/[1]*")


def test_weights_of_another_run_are_read_by_shards(store):
    save(WORKDIR, [state(1)])
    place = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    wanted = {"params/teacher/w": jax.ShapeDtypeStruct((2,), jnp.float32, sharding=place)}
    assert checkpoint.stored(WORKDIR).read(wanted)["params/teacher/w"].dtype == jnp.float32
