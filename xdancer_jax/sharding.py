"""Meshes, and the shardings of parameters (from their logical axis names) and of batches.

A dimension that its mesh axes do not divide gives up axes from the last one until they do, in the end being kept
whole: small heads and odd channel counts are common, and a whole copy is correct, only larger. One warning per call
counts such parameters and names the largest. A logical name without a rule is always an error.
"""

import contextlib
import dataclasses
import functools
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import flax.linen as nn
import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from xdancer_jax import axes
from xdancer_jax.typing import Array, Batch, PyTree

Rules = Sequence[tuple[str, str | tuple[str, ...] | None]]

_log = logging.getLogger(__name__)


def make_mesh(sizes: Mapping[str, int], devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Mesh with the axes of `sizes`, in that order; a size of -1 means the devices that remain.

    Raises:
      ValueError: the sizes do not multiply to the number of devices.
    """
    devices = jax.devices() if devices is None else devices
    sizes = dict(sizes)
    free = [name for name, size in sizes.items() if size == -1]
    fixed = math.prod(size for size in sizes.values() if size != -1)
    if len(free) == 1 and fixed > 0:
        sizes[free[0]] = len(devices) // fixed
    if len(free) > 1 or math.prod(sizes.values()) != len(devices):
        raise ValueError(f"mesh {dict(sizes)} does not fit {len(devices)} devices: their product must be that number")
    # Auto: under the default, Explicit, linen's constraints and Dropout break.
    return jax.make_mesh(
        tuple(sizes.values()), tuple(sizes), axis_types=(AxisType.Auto,) * len(sizes), devices=devices
    )


@dataclasses.dataclass(frozen=True)
class Place:
    """The devices on which a program runs, with the rules by which arrays lie there. Where they are several processes'
    all of these do the same, and give `whole` and `split` the same arrays."""

    mesh: Mesh
    rules: Rules

    @property
    def ways(self) -> int:
        """Parts into which a batch is split."""
        return math.prod(self.mesh.shape[name] for name in _mesh_axes("batch", axes.BATCH, self.mesh, self.rules))

    def whole(self, tree: PyTree) -> PyTree:
        """The arrays of `tree` on every device; an explicit transfer, and none for what lies there already."""
        return _put(tree, replicated(self.mesh))

    def split(self, tree: PyTree) -> PyTree:
        """The arrays of `tree` split along their first dimension, a multiple of `ways`; an explicit transfer."""
        return _put(tree, batch_sharding(self.mesh, self.rules, len(jax.tree.leaves(tree)[0])))

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Functions that are traced and called inside are compiled for these devices."""
        with jax.set_mesh(self.mesh), nn.logical_axis_rules(self.rules):
            yield


def _put(tree: PyTree, place: NamedSharding) -> PyTree:
    if place.is_fully_addressable:
        return jax.device_put(tree, place)

    def put(leaf):
        if isinstance(leaf, jax.Array):
            return jax.device_put(leaf, place)
        leaf = np.asarray(leaf)
        return jax.make_array_from_callback(leaf.shape, place, lambda index: leaf[index])

    with jax.transfer_guard("allow"):  # between processes this function counts as an implicit transfer
        return jax.tree.map(put, tree)


def one_device() -> Place:
    """This process's first device."""
    return Place(make_mesh({"data": 1}, jax.local_devices()[:1]), ((axes.BATCH, "data"),))


def here(tree: PyTree) -> PyTree:
    """The arrays of `tree`, of one mesh, whole on this process's first device of it: the copies that lie there, or else
    gathered. Every process of the mesh must call it. The copies are no more than views: they go as the arrays do."""
    leaves, structure = jax.tree.flatten(tree)
    split = [number for number, leaf in enumerate(leaves) if not leaf.is_fully_replicated]
    if split:
        gather = _gather(leaves[split[0]].sharding.mesh)
        for number, whole in zip(split, gather([leaves[number] for number in split]), strict=True):
            leaves[number] = whole
    return jax.tree.unflatten(structure, [leaf.addressable_data(0) for leaf in leaves])


@functools.cache
def _gather(mesh: Mesh) -> Callable[[list[Array]], list[Array]]:
    return jax.jit(lambda arrays: arrays, out_shardings=replicated(mesh))


def replicated(mesh: Mesh) -> NamedSharding:
    """A whole copy on every device."""
    return NamedSharding(mesh, PartitionSpec())


def batch_sharding(mesh: Mesh, rules: Rules, batch_size: int) -> NamedSharding:
    """Sharding of arrays whose first dimension is the global batch.

    Raises:
      ValueError: `batch_size` is no multiple of the devices that the batch is split over.
    """
    names = _mesh_axes("batch", axes.BATCH, mesh, rules)
    ways = math.prod(mesh.shape[name] for name in names)
    if batch_size % ways:
        raise ValueError(f"batch_size {batch_size} is no multiple of the {ways} devices of mesh axes {names}")
    return NamedSharding(mesh, PartitionSpec(names) if names else PartitionSpec())


@functools.cache
def _check_mesh(mesh: Mesh, rules: Rules) -> None:
    """Raises ValueError where two processes would hold the same examples: each loads its own."""
    names = _mesh_axes("batch", axes.BATCH, mesh, rules)
    processes = np.vectorize(lambda device: device.process_index)(mesh.devices)
    check_processes(processes, [name in names for name in mesh.axis_names], dict(mesh.shape))


def check_processes(processes: np.ndarray, splits_batch: Sequence[bool], shape: Mapping[str, int]) -> None:
    """`processes`: the process of each device of a mesh of `shape`. See _check_mesh."""
    whole = tuple(axis for axis, splits in enumerate(splits_batch) if not splits)
    if (processes.min(axis=whole, keepdims=True) != processes).any():
        raise ValueError(
            f"mesh {dict(shape)}: axes {[list(shape)[axis] for axis in whole]} reach over processes, which load "
            "different examples; keep the product of these axes within the devices of one process"
        )


def put_batch(batch: Batch, mesh: Mesh, rules: Rules) -> dict[str, Array]:
    """Global device arrays, split along B, from this process's share of a batch (host arrays, B first)."""
    _check_mesh(mesh, rules)
    local = len(next(iter(batch.values())))
    split = batch_sharding(mesh, rules, local * jax.process_count())
    with jax.transfer_guard("allow"):  # between processes this function counts as an implicit transfer
        return {name: jax.make_array_from_process_local_data(split, array) for name, array in batch.items()}


def shardings(boxed: PyTree, mesh: Mesh, rules: Rules) -> PyTree:
    """Sharding of every leaf of `boxed` (arrays or shapes), without the boxes; leaves out of a box are replicated.

    Raises:
      ValueError: a leaf has a logical name that `rules` lack, or a name count other than its number of dimensions.
    """
    uneven = []

    def leaf_sharding(path, leaf):
        if not is_box(leaf):
            return replicated(mesh)
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        spec, fits = _spec(name, leaf, mesh, rules)
        if not fits:
            uneven.append((math.prod(leaf.value.shape), name, leaf.value.shape))
        return NamedSharding(mesh, spec)

    tree = jax.tree_util.tree_map_with_path(leaf_sharding, boxed, is_leaf=is_box)
    if uneven:
        size, name, shape = max(uneven)
        _log.warning(
            "%d parameters (%d values) are not split evenly by mesh %s and stay whole or partly so; the largest: %s %s",
            len(uneven), sum(item[0] for item in uneven), dict(mesh.shape), name, shape,
        )
    return tree


def unbox(tree: PyTree) -> PyTree:
    """`tree` without the boxes that hold logical names (linen's own unbox would also constrain shardings)."""

    def value(leaf):
        return leaf.unbox(apply_constraint=False) if is_box(leaf) else leaf

    return jax.tree.map(value, tree, is_leaf=is_box)


def fill(boxed: PyTree, values: Mapping[str, Array]) -> PyTree:
    """`boxed` with the arrays of `values` at their "/"-joined paths, in the boxes that were there.

    Raises:
      ValueError: a path that is not there, or an array of another shape.
    """
    left = dict(values)

    def value(path, leaf):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        if name not in left:
            return leaf
        shape = leaf.value.shape if is_box(leaf) else leaf.shape
        if left[name].shape != shape:
            raise ValueError(f"{name}: an array of shape {left[name].shape} where {shape} is wanted")
        return leaf.replace_boxed(left.pop(name)) if is_box(leaf) else left.pop(name)

    filled = jax.tree_util.tree_map_with_path(value, boxed, is_leaf=is_box)
    if left:
        raise ValueError(f"no leaves {sorted(left)}")
    return filled


def is_box(leaf) -> bool:
    """Whether `leaf` is an array with logical axis names."""
    return isinstance(leaf, nn.LogicallyPartitioned)


def _mesh_axes(path: str, name: str, mesh: Mesh, rules: Rules) -> tuple[str, ...]:
    """Mesh axes of logical axis `name`, without those of size 1."""
    table = dict(rules)
    if name not in table:
        raise ValueError(f"{path}: logical axis {name!r} has no rule in the sharding table; it has {sorted(table)}")
    wanted = table[name]
    wanted = (wanted,) if isinstance(wanted, str) else tuple(wanted or ())
    unknown = [axis for axis in wanted if axis not in mesh.shape]
    if unknown:
        raise ValueError(f"sharding rule {name!r} -> {wanted}: mesh {dict(mesh.shape)} has no axis {unknown}")
    return tuple(axis for axis in wanted if mesh.shape[axis] > 1)


def _spec(path: str, box: nn.LogicallyPartitioned, mesh: Mesh, rules: Rules) -> tuple[PartitionSpec, bool]:
    """Partition spec of one boxed leaf, and whether every dimension was split as the rules ask."""
    shape = box.value.shape
    if len(box.names) != len(shape):
        raise ValueError(f"{path}: {len(box.names)} logical axes {box.names} for shape {shape}")
    entries, used, fits = [], set(), True
    for size, name in zip(shape, box.names, strict=True):
        wanted = () if name is None else _mesh_axes(path, name, mesh, rules)
        wanted = tuple(axis for axis in wanted if axis not in used)
        chosen = wanted
        while size % math.prod(mesh.shape[axis] for axis in chosen):
            chosen = chosen[:-1]
        fits = fits and chosen == wanted
        used.update(chosen)
        entries.append(chosen or None)
    return PartitionSpec(*entries), fits
