"""Attention in blocks on eight devices: each takes its own examples and heads, and sends nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from configs.sharding import TABLES
from launch.compiling.collectives import collectives
from xdancer_jax import sharding
from xdancer_jax.nn.attention import attention


def _inputs(rows):
    shapes = [(rows, 130, 4, 8), (rows, 140, 4, 8), (rows, 140, 4, 8)]
    keys = jax.random.split(jax.random.key(0), 3)
    return [jax.random.normal(key, shape) for key, shape in zip(keys, shapes, strict=True)]


def _gradient(lengths):
    def loss(query, key, value):
        return jnp.square(attention(query, key, value, key_lengths=lengths)).sum()

    return jax.value_and_grad(loss, argnums=(0, 1, 2))


@pytest.mark.parametrize("rows", [8, 6])
@pytest.mark.parametrize(("table", "sizes"), [("data", (8, 1, 1)), ("fsdp_tensor", (2, 2, 2))])
def test_a_mesh_computes_what_one_device_does(table, sizes, rows):
    arrays, lengths = _inputs(rows), jnp.arange(rows) + 60
    want = jax.jit(_gradient(lengths))(*arrays)
    mesh = sharding.make_mesh(dict(zip(("data", "fsdp", "tensor"), sizes, strict=True)))
    with jax.set_mesh(mesh), nn.logical_axis_rules(TABLES[table]):
        got = jax.jit(_gradient(lengths))(*arrays)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), got, want)


def test_the_blocks_of_a_device_are_its_own():
    mesh = sharding.make_mesh({"data": 2, "fsdp": 2, "tensor": 2})
    rules = TABLES["fsdp_tensor"]
    spec = nn.logical_to_mesh_axes(("batch", None, "heads", None), rules)
    place = jax.sharding.NamedSharding(mesh, spec)
    shapes = [jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place) for x in _inputs(8)]
    with jax.set_mesh(mesh), nn.logical_axis_rules(rules):
        gradient = jax.jit(lambda *x: _gradient(None)(*x)[1], out_shardings=place)
        text = gradient.lower(*shapes).compile().as_text()
    assert not collectives(text)
