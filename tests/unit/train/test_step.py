import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import sharding as tables
from tests import toy_stage
from xdancer_jax import sharding
from xdancer_jax.train import trees
from xdancer_jax.train.control import SAVE, Control, voted
from xdancer_jax.train.parts import Part
from xdancer_jax.train.state import plan_state
from xdancer_jax.train.step import make_eval_step, make_train_step

BATCH = next(toy_stage.batches(0))


@pytest.fixture(scope="module")
def stepped():
    """(state before, state after, metrics) of one step that trains the decoder alone."""
    state, step = setup(toy_stage.make(), ("decoder",))
    return (state, *jax.jit(step)(state, BATCH, control()))


def control(rate=1e-2):
    return Control(jnp.float32(rate), jnp.zeros((1, 2), jnp.int32))


def setup(stage, trainable=("encoder", "decoder")):
    mesh = sharding.make_mesh({"data": 1, "fsdp": 1, "tensor": 1}, jax.devices()[:1])
    optimizer = toy_stage.optimizer()
    fates = toy_stage.parts(trainable)
    plan = plan_state(stage, optimizer, fates, BATCH, seed=0, ema=True, mesh=mesh, rules=tables.data)
    return plan.create(), make_train_step(stage, optimizer, ema_decay=0.9)


def test_only_trainable_parameters_move(stepped):
    before, after, _ = stepped
    toy_stage.assert_same(before.frozen, after.frozen)
    assert set(after.frozen["student"]["encoder"]) == {"kernel", "bias"} and after.frozen["teacher"]["kernel"].size
    assert [path for path in trees.by_path(after.params)] == ["student/decoder/bias", "student/decoder/kernel"]
    assert np.all(before.params["student"]["decoder"]["kernel"] != after.params["student"]["decoder"]["kernel"])
    assert int(after.step) == 1


def test_average_follows_the_trained_parameters(stepped):
    before, after, _ = stepped
    old, new, mean = (tree["student"]["decoder"]["kernel"] for tree in (before.params, after.params, after.ema))
    np.testing.assert_allclose(mean, 0.9 * old + 0.1 * new, atol=1e-7)
    assert after.ema["student"]["encoder"] == {"kernel": None, "bias": None}
    assert after.eval_params["student"]["decoder"]["kernel"] is mean
    assert after.eval_params["student"]["encoder"]["kernel"] is after.frozen["student"]["encoder"]["kernel"]


def test_metrics(stepped):
    *_, metrics = stepped
    assert dict(metrics).pop("votes").tolist() == [0, 0]
    metrics = {name: value for name, value in metrics.items() if name != "votes"}
    assert sorted(metrics) == ["error", "grad_norm", "learning_rate", "loss", "skipped", "update_norm", "usage"]
    assert all(value.dtype == np.float32 and value.shape == () for value in metrics.values())
    assert float(metrics["learning_rate"]) == pytest.approx(1e-2) and float(metrics["grad_norm"]) > 0


def test_evaluation_noise_depends_on_the_batch_index_not_on_the_step(stepped):
    before, *_ = stepped
    noisy = dataclasses.replace(toy_stage.make(), loss=lambda params, extra, batch, chance, train: (
        jax.random.normal(chance.key), ({}, {"hits": np.ones(8), "sums": np.ones((8, 16))})))
    evaluate = make_eval_step(noisy)
    later = before.replace(step=before.step + 5)
    first = evaluate(before, BATCH, 0)["loss"]
    assert first == evaluate(later, BATCH, 0)["loss"] != evaluate(before, BATCH, 1)["loss"]


def test_training_noise_depends_on_the_step():
    stage = toy_stage.make()
    state, step = setup(stage)
    step = jax.jit(step)
    losses = [float(step(state.replace(step=state.step + n), BATCH, control())[1]["loss"]) for n in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


def test_another_peak_rate_is_the_same_program():
    stage = toy_stage.make()
    state, _ = setup(stage)
    programs = [
        jax.make_jaxpr(make_train_step(stage, toy_stage.optimizer(learning_rate=rate, schedule=kind), ema_decay=0.9))(
            state, BATCH, control()) for rate, kind in ((1e-2, "constant"), (0.5, "cosine"))
    ]
    assert str(programs[0]) == str(programs[1])


def test_the_rate_scales_what_is_added():
    state, step = setup(toy_stage.make())
    step = jax.jit(step)
    slow, fast = (step(state, BATCH, control(rate))[0].params["student"]["encoder"]["kernel"] for rate in (1e-3, 2e-3))
    before = state.params["student"]["encoder"]["kernel"]
    np.testing.assert_allclose(fast - before, 2 * (slow - before), rtol=1e-3)


def test_what_any_device_votes_for_comes_back():
    state, step = setup(toy_stage.make())
    votes = jnp.array([[0, 0], [0, 1], [0, 0]], jnp.int32)
    _, metrics = jax.jit(step)(state, BATCH, Control(jnp.float32(0.1), votes))
    assert voted(jax.device_get(metrics["votes"])) == {SAVE}


def test_a_changed_extra_is_an_error():
    stage = toy_stage.make()

    def finish(extra, sums, train):
        return {"student": {"codebook": extra["student"]["codebook"][:4]}}, {}

    state, step = setup(dataclasses.replace(stage, finish=finish))
    with pytest.raises(ValueError, match=r"stage toy: finish returned an `extra`.*\['student/codebook'\]"):
        jax.eval_shape(step, state, BATCH, control())


def test_the_collections_of_a_frozen_part_stay_whatever_the_loss_returns():
    fates = {"teacher": Part(), "student": Part(trainable=())}
    mesh = sharding.make_mesh({"data": 1, "fsdp": 1, "tensor": 1}, jax.devices()[:1])
    optimizer, stage = toy_stage.optimizer(), toy_stage.make()
    state = plan_state(stage, optimizer, fates, BATCH, seed=0, ema=False, mesh=mesh, rules=tables.data).create()
    after, _ = jax.jit(make_train_step(stage, optimizer, ema_decay=0.0))(state, BATCH, control())
    toy_stage.assert_same(state.extra, after.extra)
    assert np.any(state.params["teacher"]["kernel"] != after.params["teacher"]["kernel"])
