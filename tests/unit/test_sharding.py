import types

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AbstractMesh, AxisType, PartitionSpec

from configs import sharding as tables
from xdancer_jax import axes, boxes, sharding

SIZES = {"dcn_data": 1, "data": 2, "fsdp": 4, "tensor": 2}
# Shapes and specs need no devices.
MESH = AbstractMesh(tuple(SIZES.values()), tuple(SIZES), axis_types=(AxisType.Auto,) * 4)


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
    assert jax.tree.map(jnp.shape, boxes.unbox(tree)) == {"a": (3,), "b": (2, 2)}


def test_batch_is_split_over_data_and_fsdp_and_must_divide():
    assert sharding.batch_sharding(MESH, tables.data, 16).spec == PartitionSpec(("data", "fsdp"))
    for size, nearest in ((13, 16), (9, 8), (1, 8)):
        text = f"batch_size {size} is no multiple of the 8 devices of .*; the nearest that is: {nearest}"
        with pytest.raises(ValueError, match=text):
            sharding.batch_sharding(MESH, tables.data, size)


def test_slices_split_the_batch_and_nothing_else():
    sizes = {"dcn_data": 2, "data": 1, "fsdp": 2, "tensor": 2}
    mesh = AbstractMesh(tuple(sizes.values()), tuple(sizes), axis_types=(AxisType.Auto,) * 4)
    for table in tables.TABLES.values():
        assert sharding.batch_sharding(mesh, table, 8).spec == PartitionSpec(("dcn_data", "fsdp"))
        assert not [name for name, wanted in table if name != "batch" and "dcn_data" in (wanted or ())]


@pytest.mark.parametrize("processes, expected", [
    ([[0], [0], [1], [1]], {0: ((0,), 2), 1: ((1,), 2)}),
    ([[0, 1], [2, 3]], {0: ((0,), 2), 1: ((0,), 2), 2: ((1,), 2), 3: ((1,), 2)}),  # a replica group over two processes
    ([[0, 0, 1, 1], [0, 0, 1, 1]], {0: ((0,), 1), 1: ((0,), 1)}),
    ([[0], [0], [1], [1], [0], [0], [1], [1]], {0: ((0, 2), 4), 1: ((1, 3), 4)}),  # as the wires go
    ([[0], [1], [1], [0]], {0: ((0, 3), 4), 1: ((1, 2), 4)}),
    ([[2], [2], [0], [0], [1], [1]], {2: ((0,), 3), 0: ((1,), 3), 1: ((2,), 3)}),
], ids=str)
def test_a_process_loads_the_rows_that_its_devices_hold(processes, expected):
    processes = np.array(processes)
    found = {own: sharding.rows_of(processes, own, {}) for own in expected}
    assert found == {own: sharding.Rows(*rows) for own, rows in expected.items()}
    for own, rows in found.items():  # in words: part p of the batch lies in block p // size
        size = len(processes) // rows.count
        held = [block * size + i for block in rows.blocks for i in range(size)]
        assert held == [part for part, devices in enumerate(processes) if own in devices]


def test_processes_that_would_load_unequal_shares_are_refused():
    with pytest.raises(ValueError, match="mesh {'tensor': 3}: processes hold from 1 to 2 of the 2 parts of a batch"):
        sharding.rows_of(np.array([[0, 0, 1], [1, 2, 2]]), 0, {"tensor": 3})


def test_mesh_has_all_axes_fills_one_free_size_and_must_use_every_device():
    device = jax.devices()[:1]
    mesh = sharding.make_mesh({"data": -1, "fsdp": 1}, device)
    assert dict(mesh.shape) == {"dcn_data": 1, "data": 1, "fsdp": 1, "tensor": 1}
    for sizes in ({"data": 2, "fsdp": 1}, {"data": -1, "fsdp": 2}, {"data": -1, "fsdp": -1}, {"data": 0, "fsdp": -1}):
        with pytest.raises(ValueError, match="does not fit 1 devices; the nearest that does: mesh.dcn_data=1, mesh.da"):
            sharding.make_mesh(sizes, device)
    with pytest.raises(ValueError, match="mesh.pipe: no axis of a mesh; choose from"):
        sharding.make_mesh({"pipe": 1}, device)


@pytest.mark.parametrize("wanted, count, nearest", [
    ((1, 3, 1, 1), 8, (1, 8, 1, 1)),
    ((1, 3, 2, 1), 8, (1, 4, 2, 1)),
    ((1, -1, 3, 1), 8, (1, 2, 4, 1)),
    ((2, 4, 1, 2), 8, (2, 2, 1, 2)),
    ((1, -1, -1, 16), 8, (1, 1, 1, 8)),
    ((1, 0, 1, 1), 1, (1, 1, 1, 1)),
])
def test_the_nearest_mesh_changes_few_axes_by_little(wanted, count, nearest):
    found = tuple(sharding.nearest_mesh(dict(zip(sharding.MESH_AXES, wanted, strict=True)), count).values())
    assert found == nearest


def devices(slices, processes, platform="cpu"):
    """Eight, of so many slices and processes."""
    return [
        types.SimpleNamespace(
            id=i, platform=platform, device_kind=platform, slice_index=i * slices // 8, process_index=i * processes // 8
        ) for i in (5, 1, 6, 2, 7, 3, 0, 4)
    ]


@pytest.mark.parametrize("slices, processes", [(2, 4), (4, 8), (1, 2), (1, 4)])
def test_slices_or_else_processes_are_the_indices_of_dcn_data(slices, processes):
    groups = slices if slices > 1 else processes
    sizes = {"dcn_data": groups, "data": 1, "fsdp": 8 // groups, "tensor": 1}
    mesh = sharding.arranged(sizes, devices(slices, processes))
    assert mesh.shape == tuple(sizes.values())
    of = "slice_index" if slices > 1 else "process_index"
    assert [{getattr(device, of) for device in group.flat} for group in mesh] == [{i} for i in range(groups)]


def test_tpu_slices_that_no_axis_counts_are_refused():
    with pytest.raises(ValueError, match="mesh.dcn_data=1: the devices lie in 2 slices; give mesh.dcn_data=2"):
        sharding.arranged({"dcn_data": 1, "data": 8, "fsdp": 1, "tensor": 1}, devices(2, 2, "tpu"))
    hosts = sharding.arranged({"dcn_data": 1, "data": 8, "fsdp": 1, "tensor": 1}, devices(2, 2, "gpu"))
    assert hosts.shape == (1, 8, 1, 1)
