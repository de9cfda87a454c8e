"""A batch in parts is the batch as a whole, for every stage: gradients, metrics, codebooks and moments, dropout and
noise on."""

import jax
import numpy as np
import optax
import pytest

from launch import stages
from launch.runs import build, sources
from tests import small_stages, toy_stage
from xdancer_jax import sharding
from xdancer_jax.train.control import Panel
from xdancer_jax.train.state import plan_state
from xdancer_jax.train.step import compile_for, make_train_step

MESH = sharding.make_mesh({"data": 1, "fsdp": 1, "tensor": 1}, jax.devices()[:1])


def gradients(name, accumulate):
    """(what a step adds, its metrics, extra) of one step of plain gradient descent, before Adam divides by sizes."""
    config = small_stages.smallest(name, 12)
    if name == "motion":
        config.model.dropout = 0.5
    stage, rules = stages.find(config.name).make(config), build.rules(config)
    optimizer = toy_stage.optimizer()
    optimizer = type(optimizer)(optax.identity(), optimizer.schedule)
    batch = sharding.put_batch(small_stages.batch_of(config), MESH, rules)
    plan = plan_state(stage, optimizer, sources.parts(config), batch, seed=0, ema=False, mesh=MESH, rules=rules)
    panel, state = Panel(MESH), plan.create()
    program = make_train_step(stage, optimizer, ema_decay=0.0, accumulate=accumulate)
    after, metrics = compile_for(MESH, rules, program, state, batch, panel.shapes)(state, batch, panel.set(1.0))
    return jax.device_get((optax.tree.sub(after.params, state.params), after.extra, metrics))


@pytest.mark.parametrize("name", ["tokenizer", "motion", "autoencoder", "video_motion"])
def test_parts_of_a_batch_give_the_step_of_the_whole(name):
    (grads, extra, metrics), (own, own_extra, own_metrics) = gradients(name, 3), gradients(name, 1)
    off = optax.tree.norm(optax.tree.sub(grads, own)) / optax.tree.norm(own)
    assert off < 1e-6, off
    for a, b in zip(jax.tree.leaves(extra), jax.tree.leaves(own_extra), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)
    assert metrics.keys() == own_metrics.keys()
    for key, value in own_metrics.items():
        np.testing.assert_allclose(metrics[key], value, rtol=2e-6, atol=1e-6, err_msg=key)
