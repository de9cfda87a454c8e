import json
import re
import shutil
import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import toy_stage
from xdancer_jax.train import checkpoint, disk, guard, trees
from xdancer_jax.train.checkpointer import Checkpointer
from xdancer_jax.train.retention import newest
from xdancer_jax.train.state import TrainState


def state(step=1, **changes):
    fields = dict(
        step=jnp.int32(step),
        params={"dense": {"kernel": jnp.full((2, 3), float(step)), "bias": jnp.zeros(3)}, "teacher": {"w": None}},
        frozen={"dense": {"kernel": None, "bias": None}, "teacher": {"w": jnp.ones(2, jnp.bfloat16)}},
        extra={"dense": {"codebook": jnp.ones((4, 2), jnp.bfloat16)}}, opt_state=(),
        ema={"dense": {"kernel": jnp.full((2, 3), -1.0), "bias": jnp.zeros(3)}, "teacher": {"w": None}},
        guard=guard.begin(), rng=jax.random.key(step),
    )
    return TrainState(**(fields | changes))


def save(workdir, states, keep=3):
    with Checkpointer(workdir, newest(keep)) as checkpointer:
        checkpointer.write_frozen(states[0])
        for each in states:
            checkpointer.save(int(each.step), each, {"dense": f"digest {int(each.step)}", "teacher": "t"})


def abstract(tree):
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), tree)


def test_newest_are_kept_and_restore_is_exact(tmp_path):
    save(tmp_path, [state(step) for step in (1, 2, 3)], keep=2)
    with Checkpointer(tmp_path, newest(2)) as checkpointer:
        assert checkpoint.newest(tmp_path) == 3
        assert sorted(entry.name for entry in checkpointer.directory.iterdir()) == ["2", "3"]
        toy_stage.assert_same(checkpointer.restore(3, abstract(state())), state(3))


def test_saved_state_may_be_donated_at_once(tmp_path):
    clobber = jax.jit(lambda x: jax.tree.map(lambda leaf: leaf * 0 - 1, x), donate_argnums=0)
    params = {"w": jnp.arange(1_000_000, dtype=jnp.float32)}
    with Checkpointer(tmp_path, newest(1)) as checkpointer:
        checkpointer.save(1, state(params=params, frozen={}), {})
        clobber(params)
    with Checkpointer(tmp_path, newest(1)) as checkpointer:
        back = checkpointer.restore(1, abstract(state(params={"w": jnp.zeros(1_000_000)}, frozen={})))
    np.testing.assert_array_equal(back.params["w"], np.arange(1_000_000, dtype=np.float32))


def test_an_array_that_is_most_of_a_checkpoint_is_read(tmp_path):
    """Orbax reads so many bytes at a time, and refuses an array of exactly as many."""
    params = {"w": jnp.arange(5_000_000, dtype=jnp.float32)}
    save(tmp_path, [state(params=params, frozen={})])
    with Checkpointer(tmp_path, newest(1)) as checkpointer:
        back = checkpointer.restore(1, abstract(state(params=params, frozen={})))
    np.testing.assert_array_equal(back.params["w"], params["w"])


def test_restore_lists_every_leaf_that_differs(tmp_path):
    save(tmp_path, [state()])
    other = state(params={"dense": {"kernel": jnp.zeros((2, 4)), "scale": jnp.zeros(3)}, "teacher": {"w": None}})
    with Checkpointer(tmp_path, newest(1)) as checkpointer, pytest.raises(ValueError, match="does not fit") as error:
        checkpointer.restore(1, abstract(other))
    text = str(error.value)
    assert str(tmp_path / "checkpoints" / "1") in text
    assert "missing params/dense/scale" in text and "extra params/dense/bias" in text
    assert "mis-shaped params/dense/kernel: (2, 3) float32 in the checkpoint, (2, 4) float32 expected" in text


def read(workdir, step=None):
    """All leaves of a checkpoint by path."""
    stored = checkpoint.stored(workdir, step)
    place = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    leaves = stored.leaves.items()
    return stored.read({path: jax.ShapeDtypeStruct(tuple(x.shape), x.dtype, sharding=place) for path, x in leaves})


def test_readers_get_averaged_and_frozen_parameters_together(tmp_path):
    save(tmp_path, [state(1), state(2)])
    stored, leaves = checkpoint.stored(tmp_path), read(tmp_path)
    assert (stored.step, stored.digests) == (2, {"dense": "digest 2", "teacher": "t"})
    assert sorted(leaves) == [
        "extra/dense/codebook", "params/dense/bias", "params/dense/kernel", "params/teacher/w"
    ]
    np.testing.assert_array_equal(leaves["params/dense/kernel"], np.full((2, 3), -1.0))
    assert leaves["params/teacher/w"].dtype == jnp.bfloat16 == leaves["extra/dense/codebook"].dtype
    assert checkpoint.stored(tmp_path, step=1).step == 1 == checkpoint.stored(tmp_path, 1).digests["dense"].count("1")


def test_readers_without_averages(tmp_path):
    save(tmp_path, [state(2, ema=None, extra={})])
    leaves = read(tmp_path)
    np.testing.assert_array_equal(leaves["params/dense/kernel"], np.full((2, 3), 2.0))
    assert sorted(leaves) == ["params/dense/bias", "params/dense/kernel", "params/teacher/w"]


def test_a_part_is_read_alone_in_the_dtype_asked_for_and_strictly(tmp_path):
    save(tmp_path, [state(1)])
    stored = checkpoint.stored(tmp_path)
    place = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    wanted = {"params/teacher/w": jax.ShapeDtypeStruct((2,), jnp.float32, sharding=place)}
    found = stored.read(wanted)
    assert list(found) == list(wanted) and found["params/teacher/w"].dtype == jnp.float32
    wanted["params/teacher/more"] = jax.ShapeDtypeStruct((2,), jnp.float32, sharding=place)
    with pytest.raises(ValueError, match="missing params/teacher/more"):
        stored.read(wanted)
    with pytest.raises(ValueError, match="extra params/dense/bias") as error:
        stored.read({"params/dense/kernel": jax.ShapeDtypeStruct((2, 4), jnp.float32, sharding=place)})
    assert "mis-shaped params/dense/kernel: (2, 3) float32 in the checkpoint, (2, 4)" in str(error.value)
    assert "teacher" not in str(error.value)


def test_frozen_weights_are_written_once_and_named_by_every_checkpoint(tmp_path):
    save(tmp_path, [state(1), state(2)])
    [frozen] = (tmp_path / "frozen").iterdir()
    before = {path: path.stat().st_mtime_ns for path in frozen.rglob("*")}
    with Checkpointer(tmp_path, newest(3)) as checkpointer:
        back = checkpointer.restore(2, abstract(state()))
        toy_stage.assert_same(back, state(2))
        checkpointer.save(3, back, {})
    assert {path: path.stat().st_mtime_ns for path in frozen.rglob("*")} == before
    save(tmp_path, [state(4)])  # the same weights again
    assert {path: path.stat().st_mtime_ns for path in frozen.rglob("*")} == before
    assert "params/teacher/w" in read(tmp_path, 3) and "params/teacher/w" in read(tmp_path, 4)
    for step in (2, 3, 4):
        own = trees.by_path(abstract(state().replace(frozen=None)))
        assert set(checkpoint.metadata(tmp_path / "checkpoints" / str(step))[0]) == set(own)


def test_an_interrupted_write_of_frozen_weights_is_done_again(tmp_path):
    left = tmp_path / "frozen" / "abc.orbax-checkpoint-tmp"
    left.mkdir(parents=True)
    save(tmp_path, [state(1)])
    assert not left.exists() and "params/teacher/w" in read(tmp_path)


def test_lost_frozen_weights_are_named(tmp_path):
    save(tmp_path, [state(1)])
    [frozen] = (tmp_path / "frozen").iterdir()
    frozen.rename(tmp_path / "frozen" / "elsewhere")
    with pytest.raises(ValueError, match=f"{frozen}: not found; restore it, or train the run anew"):
        checkpoint.stored(tmp_path)


def test_missing_checkpoints_are_named(tmp_path):
    with pytest.raises(ValueError, match="checkpoints: no finished checkpoint; found nothing"):
        checkpoint.stored(tmp_path)
    (tmp_path / "checkpoints" / "5.orbax-checkpoint-tmp").mkdir(parents=True)
    with pytest.raises(ValueError, match=re.escape("no finished checkpoint; found ['5.orbax-checkpoint-tmp']")):
        checkpoint.stored(tmp_path)
    assert checkpoint.newest(tmp_path) == 0
    with pytest.raises(ValueError, match="no checkpoint of step 7"):
        checkpoint.stored(tmp_path, step=7)


def test_unfinished_writes_are_ignored_and_removed_by_the_next_run(tmp_path):
    save(tmp_path, [state(1)])
    (tmp_path / "checkpoints" / "2.orbax-checkpoint-tmp").mkdir()
    assert checkpoint.stored(tmp_path).step == 1
    with Checkpointer(tmp_path, newest(1)) as checkpointer:
        assert checkpoint.newest(tmp_path) == 1
        until = time.monotonic() + 30  # Orbax removes it in the background
        while (names := [entry.name for entry in checkpointer.directory.iterdir()]) != ["1"]:
            assert time.monotonic() < until, names
            time.sleep(0.05)


def test_a_full_disk_is_named_and_earlier_checkpoints_stay(tmp_path, full_disk):
    save(tmp_path, [state(1)])
    params = {"w": jnp.asarray(np.random.default_rng(0).random(100_000, np.float32))}
    with pytest.raises(OSError, match=f"{tmp_path}/checkpoints: a checkpoint could not be written; the finished ones"):
        save(tmp_path, [state(2, params=params, frozen={})])
    assert checkpoint.stored(tmp_path).step == 1


def test_a_damaged_checkpoint_is_named(tmp_path):
    save(tmp_path, [state(1)])
    for path in (tmp_path / "checkpoints" / "1").rglob("_METADATA"):
        path.unlink()
    with pytest.raises(ValueError, match="checkpoints/1: a damaged checkpoint"):
        checkpoint.stored(tmp_path)


def files(workdir, *below):
    return [path for name in below for path in sorted((workdir / name).rglob("*")) if path.is_file()]


def remove(path):
    path.unlink()


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def garble(path):
    path.write_bytes(bytes(255 - byte for byte in path.read_bytes()))


def other_json(path):
    path.write_text("[3]")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("damage", [remove, cut, garble, other_json])
def test_any_damaged_file_is_one_line_that_names_its_folder_and_the_way_out(tmp_path, damage):
    trees = {"params": {"w": jnp.arange(3_000.0)}, "frozen": {"w": None, "t": jnp.ones(9)}}
    save(tmp_path / "run", [state(1, ema=None, **trees)])
    spared = {"commit_success.txt"}
    for number, path in enumerate(files(tmp_path / "run", "checkpoints", "frozen")):
        copy = shutil.copytree(tmp_path / "run", tmp_path / str(number))
        changed = copy / path.relative_to(tmp_path / "run")
        damage(changed)
        try:
            read(copy)
        except ValueError as error:
            text = str(error)
            assert str(copy) in text and ("a damaged checkpoint" in text or "does not fit" in text), text
            assert text.count("\n") == 0 or "does not fit" in text
            assert "remove it to go on" in text or "restore it from a copy" in text or "does not fit" in text
            spared.add(changed.name)
        except OSError as error:
            pytest.fail(f"{changed}: {error!r}")
    assert {"_CHECKPOINT_METADATA", "_METADATA"} <= spared


def test_lost_folders_are_named(tmp_path):
    save(tmp_path, [state(1)])
    shutil.rmtree(tmp_path / "checkpoints" / "1" / "state")
    with pytest.raises(ValueError, match="checkpoints/1: a damaged checkpoint .no folder state.*; remove it to go on"):
        checkpoint.stored(tmp_path)


def test_facts_of_another_kind_and_missing_digests_are_damage(tmp_path):
    save(tmp_path, [state(1)])
    path = tmp_path / "checkpoints" / "1" / "_CHECKPOINT_METADATA"
    for facts in (None, [], {"frozen": 3, "digests": {}}, {"frozen": "", "digests": {"dense": 3}}, {"digests": {}}):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"custom_metadata": facts}))
        with pytest.raises(ValueError, match="checkpoints/1: a damaged checkpoint"):
            checkpoint.stored(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"custom_metadata": {"frozen": "../x", "digests": {}}}))
    with pytest.raises(ValueError, match=r"checkpoints/1: a damaged checkpoint .frozen weights of the name '../x'"):
        checkpoint.stored(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"custom_metadata": {"frozen": "", "digests": {}}}))
    with pytest.raises(ValueError, match="no digest of part dense"):
        checkpoint.stored(tmp_path).digests["dense"]


def test_a_damaged_older_checkpoint_is_named_where_a_run_goes_on(tmp_path):
    save(tmp_path, [state(1), state(2)])
    other_json(tmp_path / "checkpoints" / "1" / "_CHECKPOINT_METADATA")
    with pytest.raises(ValueError, match="checkpoints/1: a damaged checkpoint"):
        Checkpointer(tmp_path, newest(3))


def test_a_file_named_like_a_step_is_no_checkpoint(tmp_path):
    save(tmp_path, [state(1)])
    (tmp_path / "checkpoints" / "7").touch()
    (tmp_path / "checkpoints" / "²").mkdir()
    assert checkpoint.newest(tmp_path) == 1


def no_room(monkeypatch, message="No space left on device"):
    def fail(folder, size):
        raise OSError(28, message)

    monkeypatch.setattr(disk, "check", fail)


def test_a_failed_save_is_one_warning_and_the_next_one_is_tried(tmp_path, monkeypatch, caplog):
    with Checkpointer(tmp_path, newest(2)) as checkpointer:
        for step in (1, 2):
            checkpointer.save(step, state(step, frozen={}), {})
        with monkeypatch.context() as patch:
            no_room(patch)
            checkpointer.save(3, state(3, frozen={}), {})
        assert [record.message.count("\n") for record in caplog.records if record.name.startswith("xdancer")] == [0]
        assert f"{tmp_path}/checkpoints: a checkpoint could not be written" in caplog.text
        assert "No space left on device; training goes on, and the next save tries again" in caplog.text
        checkpointer.save(4, state(4, frozen={}), {})
    assert sorted(entry.name for entry in (tmp_path / "checkpoints").iterdir()) == ["2", "4"]


def test_the_last_failed_save_is_an_error_without_a_warning(tmp_path, monkeypatch, caplog):
    with pytest.raises(OSError, match="the same command goes on from the newest: No space"), Checkpointer(
        tmp_path, newest(2)
    ) as checkpointer:
        checkpointer.save(1, state(1, frozen={}), {})
        no_room(monkeypatch)
        checkpointer.save(2, state(2, frozen={}), {}, last=True)
    assert checkpoint.newest(tmp_path) == 1 and "warning" not in caplog.text


def test_a_save_that_fails_under_way_leaves_nothing_and_later_ones_work(tmp_path, full_disk, caplog):
    params = {"w": jnp.asarray(np.random.default_rng(0).random(100_000, np.float32))}
    with Checkpointer(tmp_path, newest(1)) as checkpointer:
        for step, changes in ((1, {}), (2, {"params": params}), (3, {}), (4, {})):
            checkpointer.save(step, state(step, frozen={}, **changes), {})
    assert caplog.text.count("could not be written") == 1
    assert [entry.name for entry in (tmp_path / "checkpoints").iterdir()] == ["4"]


def test_a_folder_that_takes_no_files_is_said_at_once(tmp_path):
    (tmp_path / "checkpoints").touch()
    began = time.monotonic()
    with pytest.raises(OSError, match=f"{tmp_path}/checkpoints: is a file, and must be a folder; move it away"):
        Checkpointer(tmp_path, newest(1))
    (tmp_path / "frozen").touch()
    (tmp_path / "checkpoints").unlink()
    told = f"{tmp_path}/frozen: a checkpoint"
    with Checkpointer(tmp_path, newest(1)) as checkpointer, pytest.raises(OSError, match=told):
        checkpointer.write_frozen(state(1))
    assert time.monotonic() - began < 5


def test_a_folder_that_orbax_cannot_make_leaves_no_thread_that_waits_for_it(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(disk, "check", lambda folder, size: None)  # it becomes so just after
    with Checkpointer(tmp_path, newest(1)) as checkpointer:
        checkpointer.save(1, state(1, frozen={}), {})
        checkpointer._settle()
        before = set(threading.enumerate())
        (tmp_path / "checkpoints").rename(tmp_path / "kept")
        (tmp_path / "checkpoints").touch()
        checkpointer.save(2, state(2, frozen={}), {})
        checkpointer._settle()
        assert "could not be written" in caplog.text
        until = time.monotonic() + 5
        while left := [each for each in set(threading.enumerate()) - before if not each.daemon and each.is_alive()]:
            assert time.monotonic() < until, left
            time.sleep(0.05)
        (tmp_path / "checkpoints").unlink()
        (tmp_path / "kept").rename(tmp_path / "checkpoints")
        checkpointer.save(3, state(3, frozen={}), {})
    assert checkpoint.newest(tmp_path) == 3
