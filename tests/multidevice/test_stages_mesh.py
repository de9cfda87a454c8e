"""Training steps of every stage on eight devices: no collective carries the whole batch, and losses are one device's.

BATCH is eight times 11, and no other size here has the factor 11: an array with this factor in its size has examples in
it.
"""

import functools

import jax
import numpy as np
import pytest

from configs.sharding import TABLES
from launch import stages
from launch.compiling.collectives import collectives
from launch.runs import build, sources
from tests.small_stages import VARIANTS, batch_of, smallest
from xdancer_jax import sharding
from xdancer_jax.train.control import Panel
from xdancer_jax.train.state import plan_state
from xdancer_jax.train.step import compile_for, make_train_step

BATCH, STEPS = 88, 2
QUICK = {"xla_backend_optimization_level": 0}  # most of the time is the compiler's
MESHES = {"data": (8, 1, 1), "fsdp": (1, 8, 1), "fsdp_tensor": (2, 2, 2)}
ONCE = ("video_appearance", "video_guider")


def trained(config, mesh, table, begin=None, accumulate=1):
    """(losses of the steps, text of the compiled step). begin: the first state on the host, in place of one made on the
    mesh, which takes as long to compile as the step."""
    stage, optimizer, rules = stages.find(config.name).make(config), build.optimizer(config), TABLES[table]
    batch = sharding.put_batch(batch_of(config), mesh, rules)
    shapes = {name: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding) for name, x in batch.items()}
    plan = plan_state(stage, optimizer, sources.parts(config), shapes, seed=0, ema=True, mesh=mesh, rules=rules)
    panel, ways = Panel(mesh), sharding.Place(mesh, rules).ways
    program = make_train_step(stage, optimizer, ema_decay=config.ema_decay, accumulate=accumulate, ways=ways)
    step = compile_for(
        mesh, rules, program, plan.abstract, shapes, panel.shapes,
        out_shardings=(plan.layout, sharding.replicated(mesh)), compiler_options=QUICK,
    )
    control = panel.set(config.optimizer.learning_rate)
    state, losses = plan.create() if begin is None else jax.device_put(begin, plan.layout), []
    first = jax.device_get(state) if begin is None else None
    for _ in range(STEPS):
        state, metrics = step(state, batch, control)
        losses.append(float(metrics["loss"]))
    return losses, step.as_text(), first


@functools.cache
def alone(name):
    """(losses, first state) of one device."""
    mesh = sharding.make_mesh({"data": 1, "fsdp": 1, "tensor": 1}, jax.devices()[:1])
    losses, _, first = trained(smallest(name, BATCH), mesh, "data")
    return losses, first


# The video stage's motion phase has all that the others have; they take a minute each to compile.
CASES = [
    pytest.param(name, table, marks=[
        pytest.mark.xdist_group(name),  # one process computes what one device does
        *([pytest.mark.slow] if name.startswith("video") and (name, table) != ("video_motion", "fsdp") else []),
    ])
    for name in VARIANTS for table in MESHES if not (name in ONCE and table != "fsdp")
]


@pytest.mark.parametrize(("name", "table"), CASES)
def test_a_stage_trains_split_as_it_does_on_one_device(name, table):
    mesh = sharding.make_mesh(dict(zip(("data", "fsdp", "tensor"), MESHES[table], strict=True)))
    expected, begin = alone(name)
    losses, text, _ = trained(smallest(name, BATCH), mesh, table, begin if name.startswith("video") else None)
    check(text, table, losses, expected)


@pytest.mark.parametrize(("name", "table"), [
    pytest.param("tokenizer", "data", marks=pytest.mark.xdist_group("tokenizer")),
    pytest.param("motion", "fsdp", marks=pytest.mark.xdist_group("motion")),
])
def test_each_device_works_its_own_examples_off_in_parts(name, table):
    mesh = sharding.make_mesh(dict(zip(("data", "fsdp", "tensor"), MESHES[table], strict=True)))
    losses, text, _ = trained(smallest(name, BATCH), mesh, table, accumulate=11)
    check(text, table, losses, alone(name)[0])


def check(text, table, losses, expected):
    found = collectives(text)
    full = [each for each in found if any(size % BATCH == 0 for size in each.shape)]
    if table != "fsdp_tensor":  # over "tensor" activations are exchanged, but of a part of the batch
        full += [each for each in found if each.size % 11 == 0]
    assert found and not full, "\n".join(map(str, full))
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
