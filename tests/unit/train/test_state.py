import jax
import numpy as np
import pytest

from configs import sharding as tables
from tests import toy_stage
from xdancer_jax import sharding
from xdancer_jax.stage import Stage
from xdancer_jax.train import trees
from xdancer_jax.train.state import plan_state


def plan(stage, ema=True):
    mesh = sharding.make_mesh({"data": 1, "fsdp": 1, "tensor": 1}, jax.devices()[:1])
    batch = next(toy_stage.batches(0))
    return plan_state(stage, toy_stage.optimizer(), batch, seed=0, ema=ema, mesh=mesh, rules=tables.data)


def test_created_state_is_what_was_planned():
    planned = plan(toy_stage.make())
    state = planned.create()
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), state)
    assert jax.tree.leaves(shapes) == jax.tree.leaves(planned.abstract)
    assert not any(leaf.weak_type for leaf in jax.tree.leaves(state) if hasattr(leaf, "weak_type"))
    assert int(state.step) == 0
    assert sorted(state.params) == ["backbone", "decoder", "encoder"]
    np.testing.assert_array_equal(state.extra["frozen"]["teacher"]["params"]["kernel"][0, 0], -1)


def test_frozen_parameters_have_no_optimizer_state_and_no_average():
    state = plan(toy_stage.make(("encoder",))).abstract
    kept = [path for path in trees.by_path((state.opt_state, state.ema)) if "/kernel" in path]
    assert len(kept) == 3 and all("encoder" in path for path in kept)  # both moments and the average
    assert plan(toy_stage.make(), ema=False).abstract.ema is None


def test_closed_over_weights_are_arguments_of_init():
    weights = np.arange(1000, dtype=np.float32)

    def init(rng, batch):
        return {"w": jax.random.normal(rng, (2,))}, {"frozen": weights}

    create = plan(Stage("toy", init, loss=None)).create
    np.testing.assert_array_equal(create().extra["frozen"], weights)
    assert "dense<\"0x" not in create.func.lower(*create.args).as_text()  # the text of a constant array


def test_errors_of_a_stage_come_before_any_array():
    with pytest.raises(ValueError, match="'decodr'"):
        plan(toy_stage.make(("decodr",)))
