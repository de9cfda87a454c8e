import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AbstractMesh, AxisType, PartitionSpec

from configs import sharding as tables
from xdancer_jax import axes, sharding

SIZES = {"data": 2, "fsdp": 4, "tensor": 2}
# Shapes and specs need no devices.
MESH = AbstractMesh(tuple(SIZES.values()), tuple(SIZES), axis_types=(AxisType.Auto,) * 3)


def spec(shape, names, rules):
    boxed = {"layer": {"kernel": nn.LogicallyPartitioned(jax.ShapeDtypeStruct(shape, jnp.float32), names)}}
    return sharding.shardings(boxed, MESH, rules)["layer"]["kernel"].spec


@pytest.mark.parametrize("name", tables.TABLES)
def test_tables_cover_every_logical_axis_once(name):
    assert sorted(axis for axis, _ in tables.TABLES[name]) == sorted(axes.ALL)


@pytest.mark.parametrize("shape, names, expected", [
    ((8, 8), ("embed", "heads"), (("fsdp",), ("tensor",))),
    ((8, 8), ("mlp", "embed"), (("tensor",), ("fsdp",))),
    ((3, 3, 8, 8), (None, None, "conv_in", "conv_out"), (None, None, ("tensor",), ("fsdp",))),
    ((8, 8), ("embed", "embed"), (("fsdp",), None)),  # a mesh axis is used once
    ((6, 8), ("embed", "heads"), (None, ("tensor",))),  # 4 does not divide 6
    ((4,), ("batch",), (("data",),)),  # 8 does not divide 4, 2 does
])
def test_specs_follow_the_table(shape, names, expected):
    assert spec(shape, names, tables.fsdp_tensor) == PartitionSpec(*expected)


def test_uneven_parameters_are_named_in_a_warning(caplog):
    spec((6, 8), ("embed", "mlp"), tables.fsdp)
    assert "layer/kernel (6, 8)" in caplog.text


def test_unknown_names_raise():
    with pytest.raises(ValueError, match="layer/kernel: logical axis 'embd' has no rule"):
        spec((8, 8), ("embd", "mlp"), tables.data)
    with pytest.raises(ValueError, match="no axis .'pipe'."):
        spec((8,), ("embed",), (("embed", "pipe"),))
    with pytest.raises(ValueError, match="layer/kernel: 1 logical axes"):
        spec((8, 8), ("embed",), tables.data)


def test_unboxed_leaves_are_replicated_and_boxes_are_removed():
    tree = {"a": jnp.ones(3), "b": nn.LogicallyPartitioned(jnp.ones((2, 2)), ("embed", "mlp"))}
    assert sharding.shardings(tree, MESH, tables.fsdp)["a"].spec == PartitionSpec()
    assert jax.tree.map(jnp.shape, sharding.unbox(tree)) == {"a": (3,), "b": (2, 2)}


def test_batch_is_split_over_data_and_fsdp_and_must_divide():
    assert sharding.batch_sharding(MESH, tables.data, 16).spec == PartitionSpec(("data", "fsdp"))
    with pytest.raises(ValueError, match="batch_size 12 is no multiple of the 8 devices"):
        sharding.batch_sharding(MESH, tables.data, 12)


def test_processes_must_not_share_examples():
    shape = {"data": 2, "fsdp": 1, "tensor": 2}
    by_row, by_column = np.array([[[0, 0]], [[1, 1]]]), np.array([[[0, 1]], [[0, 1]]])
    sharding.check_processes(by_row, [True, True, False], shape)
    sharding.check_processes(by_column, [True, True, True], shape)
    with pytest.raises(ValueError, match=r"axes \['tensor'\] reach over processes"):
        sharding.check_processes(by_column, [True, True, False], shape)


def test_mesh_fills_one_free_size_and_must_use_every_device():
    device = jax.devices()[:1]
    assert dict(sharding.make_mesh({"data": -1, "fsdp": 1}, device).shape) == {"data": 1, "fsdp": 1}
    for sizes in ({"data": 2, "fsdp": 1}, {"data": -1, "fsdp": 2}, {"data": -1, "fsdp": -1}, {"data": 0, "fsdp": -1}):
        with pytest.raises(ValueError, match="does not fit 1 devices"):
            sharding.make_mesh(sizes, device)
