import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import sharding as tables
from tests import toy_stage
from xdancer_jax import sharding
from xdancer_jax.stage import Stage
from xdancer_jax.train import trees
from xdancer_jax.train.parts import Part
from xdancer_jax.train.state import plan_state

ONE = {"data": 1, "fsdp": 1, "tensor": 1}


def plan(fates, ema=True, stage=None):
    mesh = sharding.make_mesh(ONE, jax.devices()[:1])
    batch = next(toy_stage.batches(0))
    return plan_state(
        stage or toy_stage.make(), toy_stage.optimizer(), fates, batch, seed=0, ema=ema, mesh=mesh, rules=tables.data
    )


def test_created_state_is_what_was_planned():
    planned = plan(toy_stage.parts())
    state = planned.create()
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), state)
    assert jax.tree.leaves(shapes) == jax.tree.leaves(planned.abstract)
    assert not any(leaf.weak_type for leaf in jax.tree.leaves(state) if hasattr(leaf, "weak_type"))
    assert int(state.step) == 0
    assert sorted(state.params) == ["student", "teacher"] and sorted(state.extra) == ["student"]
    assert state.frozen["teacher"]["kernel"][0, 0] == -1 and state.params["teacher"]["kernel"] is None


def test_frozen_parameters_have_no_optimizer_state_no_average_and_the_dtype_asked_for():
    fates = toy_stage.parts(("encoder",), dtype="bfloat16")
    state = plan(fates).abstract
    kept = [path for path in trees.by_path((state.opt_state, state.ema)) if "/kernel" in path]
    assert len(kept) == 3 and all("student/encoder" in path for path in kept)  # both moments and the average
    assert plan(fates, ema=False).abstract.ema is None
    assert {path: leaf.dtype.name for path, leaf in trees.by_path(state.frozen).items()} == {
        "teacher/kernel": "bfloat16", "student/backbone/kernel": "float32", "student/backbone/bias": "float32",
        "student/decoder/kernel": "float32", "student/decoder/bias": "float32",
    }
    assert {leaf.dtype.name for leaf in jax.tree.leaves(state.params)} == {"float32"}
    assert plan(fates).create().frozen["teacher"]["kernel"].dtype == jnp.bfloat16


def test_a_part_is_read_into_its_place_and_is_no_constant_of_the_program():
    asked = {}

    def read(wanted):
        asked.update(wanted)
        return {path: jax.device_put(jnp.full(leaf.shape, 7.0, leaf.dtype), leaf.sharding)
                for path, leaf in wanted.items()}

    planned = plan(toy_stage.parts(read=read, dtype="bfloat16"))
    state = planned.create()
    assert list(asked) == ["params/teacher/kernel"] and asked["params/teacher/kernel"].dtype == jnp.bfloat16
    np.testing.assert_array_equal(np.float32(state.frozen["teacher"]["kernel"]), 7.0)
    constants = jax.make_jaxpr(planned.program)(read(asked), planned.key).consts
    assert sum(np.size(value) for value in constants) < 64


def test_part_of_a_part_may_be_read_and_the_rest_is_random():
    def read(wanted):
        return {"params/student/decoder/bias": jnp.full(toy_stage.FEATURES, 7.0)}

    fates = toy_stage.parts() | {"student": Part(read=read)}
    state, random = plan(fates).create(), plan(toy_stage.parts((".*",))).create()
    np.testing.assert_array_equal(state.params["student"]["decoder"]["bias"], 7.0)
    toy_stage.assert_same(state.params["student"]["encoder"], random.params["student"]["encoder"])
    fates["student"] = Part(read=lambda wanted: {"params/student/decoder/bias": jnp.ones(2)})
    with pytest.raises(ValueError, match="decoder/bias: an array of shape .2,. where .6,. is wanted"):
        plan(fates).create()
    fates["student"] = Part(read=lambda wanted: {"params/student/typo": jnp.ones(2)})
    with pytest.raises(ValueError, match="no leaves .'typo'."):
        plan(fates).create()


def twins():
    """Two parts of equal paths, one of which has a parameter more."""
    def first(rng, batch, before):
        return {"w": jax.random.normal(rng, (3,)), "more": jnp.zeros(2)}, {}

    def second(rng, batch, before):
        return {"w": jax.random.normal(rng, (3,))}, {}

    return Stage("twins", {"first": first, "second": second}, loss=None)


def test_a_part_copies_another_also_one_that_was_read():
    fates = {"first": Part(), "second": Part(copy="first")}
    params = plan(fates, stage=twins()).create().params
    toy_stage.assert_same(params["second"]["w"], params["first"]["w"])
    fates["first"] = Part(read=lambda wanted: {"params/first/w": jnp.full(3, 7.0)})
    np.testing.assert_array_equal(plan(fates, stage=twins()).create().params["second"]["w"], 7.0)
    with pytest.raises(ValueError, match="parts.first: copies part 'second', which is not made before it"):
        plan({"first": Part(copy="second"), "second": Part()}, stage=twins())
    swapped = Stage("twins", dict(reversed(twins().parts.items())), loss=None)
    with pytest.raises(ValueError, match="parts.first: copies part 'second', which lacks .'more'."):
        plan({"first": Part(copy="second"), "second": Part()}, stage=swapped)


def test_another_part_does_not_move_the_weights_of_the_first():
    alone = Stage("alone", {"second": twins().parts["second"]}, loss=None)
    params = plan({"second": Part()}, stage=alone).create().params
    both = plan({"first": Part(), "second": Part()}, stage=twins()).create().params
    toy_stage.assert_same(params["second"], both["second"])
    assert np.all(np.asarray(both["second"]["w"]) != np.asarray(both["first"]["w"]))


def test_the_seed_decides_the_weights():
    mesh = sharding.make_mesh(ONE, jax.devices()[:1])
    made = [
        plan_state(
            twins(), toy_stage.optimizer(), {"first": Part(), "second": Part()}, {}, seed=seed, ema=False, mesh=mesh,
            rules=tables.data,
        ).create() for seed in (0, 0, 1)
    ]
    toy_stage.assert_same(made[0], made[1])
    assert np.all(np.asarray(made[0].params["first"]["w"]) != np.asarray(made[2].params["first"]["w"]))
    assert np.any(jax.random.key_data(made[0].rng) != jax.random.key_data(made[2].rng))


def test_errors_of_a_stage_come_before_any_array():
    with pytest.raises(ValueError, match=r"parts.student.trainable: 'decodr' matches no parameter"):
        plan(toy_stage.parts(("decodr",)))
