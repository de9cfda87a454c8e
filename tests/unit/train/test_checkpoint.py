import json
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import toy_stage
from xdancer_jax.train import checkpoint
from xdancer_jax.train.checkpoint import Checkpointer
from xdancer_jax.train.state import TrainState


def state(step=1, **changes):
    teacher = {"params": {"w": jnp.ones(2)}, "extra": {}}
    fields = dict(
        step=jnp.int32(step), params={"dense": {"kernel": jnp.full((2, 3), float(step)), "bias": jnp.zeros(3)}},
        extra={"codebook": jnp.ones((4, 2), jnp.bfloat16), "frozen": {"teacher": teacher}},
        opt_state=(), ema={"dense": {"kernel": jnp.full((2, 3), -1.0), "bias": None}}, rng=jax.random.key(step),
    )
    return TrainState(**(fields | changes))


def save(workdir, states, keep=3):
    checkpoint.write_config(workdir, "toy", {"width": 3})
    with Checkpointer(workdir, keep) as checkpointer:
        for each in states:
            checkpointer.save(int(each.step), each)


def abstract(tree):
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), tree)


def test_newest_are_kept_and_restore_is_exact(tmp_path):
    save(tmp_path, [state(step) for step in (1, 2, 3)], keep=2)
    with Checkpointer(tmp_path, 2) as checkpointer:
        assert checkpointer.latest == 3
        assert sorted(entry.name for entry in checkpointer.directory.iterdir()) == ["2", "3"]
        toy_stage.assert_same(checkpointer.restore(3, abstract(state())), state(3))


def test_saved_state_may_be_donated_at_once(tmp_path):
    clobber = jax.jit(lambda x: jax.tree.map(lambda leaf: leaf * 0 - 1, x), donate_argnums=0)
    params = {"w": jnp.arange(1_000_000, dtype=jnp.float32)}
    with Checkpointer(tmp_path, 1) as checkpointer:
        checkpointer.save(1, state(params=params))
        clobber(params)
    with Checkpointer(tmp_path, 1) as checkpointer:
        back = checkpointer.restore(1, abstract(state(params={"w": jnp.zeros(1_000_000)})))
    np.testing.assert_array_equal(back.params["w"], np.arange(1_000_000, dtype=np.float32))


def test_restore_lists_every_leaf_that_differs(tmp_path):
    save(tmp_path, [state()])
    other = state(params={"dense": {"kernel": jnp.zeros((2, 4)), "scale": jnp.zeros(3)}})
    with Checkpointer(tmp_path, 1) as checkpointer, pytest.raises(ValueError, match="does not fit") as error:
        checkpointer.restore(1, abstract(other))
    text = str(error.value)
    assert str(tmp_path / "checkpoints" / "1") in text
    assert "missing params/dense/scale" in text and "extra params/dense/bias" in text
    assert "mis-shaped params/dense/kernel: (2, 3) float32 in the checkpoint, (2, 4) float32 expected" in text


def test_load_prefers_averaged_parameters_and_gives_numpy(tmp_path):
    save(tmp_path, [state(1), state(2)])
    loaded = checkpoint.load(tmp_path, "toy")
    assert (loaded.config, loaded.step) == ({"width": 3}, 2)
    np.testing.assert_array_equal(loaded.params["dense"]["kernel"], np.full((2, 3), -1.0))
    np.testing.assert_array_equal(loaded.params["dense"]["bias"], np.zeros(3))
    assert loaded.extra["frozen"]["teacher"]["extra"] == {}
    assert type(loaded.extra["codebook"]) is np.ndarray and loaded.extra["codebook"].dtype == jnp.bfloat16
    assert checkpoint.load(tmp_path, "toy", step=1).step == 1


def test_load_without_averages(tmp_path):
    save(tmp_path, [state(2, ema=None, extra={})])
    loaded = checkpoint.load(tmp_path, "toy")
    np.testing.assert_array_equal(loaded.params["dense"]["kernel"], np.full((2, 3), 2.0))
    assert loaded.extra == {}


def test_load_errors_name_the_path_and_what_is_there(tmp_path):
    with pytest.raises(ValueError, match="nowhere: no such directory"):
        checkpoint.load(tmp_path / "nowhere", "toy")
    (tmp_path / "photo.png").touch()
    with pytest.raises(ValueError, match=r"config.json: not found.*photo.png"):
        checkpoint.load(tmp_path, "toy")
    checkpoint.write_config(tmp_path, "motion", {})
    with pytest.raises(ValueError, match="stage is 'motion', expected 'toy'"):
        checkpoint.load(tmp_path, "toy")
    with pytest.raises(ValueError, match="checkpoints: no finished checkpoint; found nothing"):
        checkpoint.load(tmp_path, "motion")
    (tmp_path / "checkpoints" / "5.orbax-checkpoint-tmp").mkdir(parents=True)
    with pytest.raises(ValueError, match="no finished checkpoint; found .'5.orbax-checkpoint-tmp'."):
        checkpoint.load(tmp_path, "motion")
    with pytest.raises(ValueError, match="no checkpoint of step 7"):
        checkpoint.load(tmp_path, "motion", step=7)


def test_unfinished_writes_are_ignored_and_removed_by_the_next_run(tmp_path):
    save(tmp_path, [state(1)])
    (tmp_path / "checkpoints" / "2.orbax-checkpoint-tmp").mkdir()
    assert checkpoint.load(tmp_path, "toy").step == 1
    with Checkpointer(tmp_path, 1) as checkpointer:
        assert checkpointer.latest == 1
        until = time.monotonic() + 30  # Orbax removes it in the background
        while (names := [entry.name for entry in checkpointer.directory.iterdir()]) != ["1"]:
            assert time.monotonic() < until, names
            time.sleep(0.05)


def test_a_full_disk_is_named_and_earlier_checkpoints_stay(tmp_path, full_disk):
    save(tmp_path, [state(1)])
    params = {"w": jnp.asarray(np.random.default_rng(0).random(100_000, np.float32))}
    with pytest.raises(OSError, match=f"{tmp_path}/checkpoints: a checkpoint could not be written; the finished ones"):
        save(tmp_path, [state(2, params=params)])
    assert checkpoint.load(tmp_path, "toy").step == 1


def test_config_is_replaced_whole_and_never_by_another_stage(tmp_path):
    checkpoint.write_config(tmp_path, "toy", {"a": 1})
    checkpoint.write_config(tmp_path, "toy", {"a": (2,)})
    assert checkpoint.read_stage(tmp_path) == "toy"
    assert json.loads((tmp_path / "config.json").read_text()) == {"stage": "toy", "config": {"a": [2]}}
    with pytest.raises(ValueError, match="stage is 'toy', expected 'video'"):
        checkpoint.write_config(tmp_path, "video", {})
    assert [entry.name for entry in tmp_path.iterdir()] == ["config.json"]


def test_a_run_goes_on_with_the_earlier_stages_it_began_with(tmp_path):
    config = {"tokenizer_from": "out/tokenizer", "steps": 3}
    assert checkpoint.check_resume(tmp_path, "toy", config) == 0
    checkpoint.write_config(tmp_path, "toy", config)
    assert checkpoint.check_resume(tmp_path, "toy", config | {"tokenizer_from": "other"}) == 0  # nothing trained yet
    with Checkpointer(tmp_path, 1) as checkpointer:
        checkpointer.save(2, state(2))
    assert checkpoint.check_resume(tmp_path, "toy", config | {"steps": 9, "tokenizer_from": "./out/tokenizer"}) == 2
    with pytest.raises(ValueError, match="tokenizer_from='other': the checkpoints .* trained with 'out/tokenizer'"):
        checkpoint.check_resume(tmp_path, "toy", config | {"tokenizer_from": "other"})


@pytest.mark.parametrize("content", ["{", "{}", "[1]"])
def test_a_damaged_config_is_named(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match="config.json: not the config of a run"):
        checkpoint.read_stage(tmp_path)


def test_a_damaged_checkpoint_is_named(tmp_path):
    save(tmp_path, [state(1)])
    for path in (tmp_path / "checkpoints" / "1").rglob("_METADATA"):
        path.unlink()
    with pytest.raises(ValueError, match="checkpoints/1: a damaged checkpoint"):
        checkpoint.load(tmp_path, "toy")
