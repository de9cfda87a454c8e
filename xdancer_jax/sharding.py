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
from jax.experimental import mesh_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from xdancer_jax import axes, boxes
from xdancer_jax.typing import Array, Batch, PyTree

MESH_AXES = ("dcn_data", "data", "fsdp", "tensor")  # from the slowest network to the fastest
Rules = Sequence[tuple[str, str | tuple[str, ...] | None]]

_log = logging.getLogger(__name__)


def make_mesh(sizes: Mapping[str, int], devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Mesh with all of MESH_AXES; those that `sizes` lack have size 1, and a size of -1 means the devices that remain.

    "dcn_data" counts groups of devices between which the network is slow: TPU slices, or else processes where these are
    as many. Each group is one index of it.

    Raises:
      ValueError: another axis, sizes that do not multiply to the number of devices, TPU slices that are not dcn_data.
    """
    devices = jax.devices() if devices is None else devices
    unknown = sorted(set(sizes) - set(MESH_AXES))
    if unknown:
        raise ValueError(f"mesh.{unknown[0]}: no axis of a mesh; choose from {MESH_AXES}")
    sizes = {name: sizes.get(name, 1) for name in MESH_AXES}
    free = [name for name, size in sizes.items() if size == -1]
    fixed = math.prod(size for size in sizes.values() if size != -1)
    filled = dict(sizes)
    if len(free) == 1 and fixed > 0:
        filled[free[0]] = len(devices) // fixed
    if len(free) > 1 or math.prod(filled.values()) != len(devices):
        fits = ", ".join(f"mesh.{name}={size}" for name, size in nearest_mesh(sizes, len(devices)).items())
        raise ValueError(f"mesh {sizes} does not fit {len(devices)} devices; the nearest that does: {fits}")
    # Auto: under the default, Explicit, linen's constraints and Dropout break.
    return Mesh(arranged(filled, devices), MESH_AXES, axis_types=(AxisType.Auto,) * len(MESH_AXES))


def arranged(sizes: Mapping[str, int], devices: Sequence[jax.Device]) -> np.ndarray:
    """`devices` by their place in a mesh of `sizes`, which multiply to their number. Raises ValueError as make_mesh."""
    shape, groups = tuple(sizes.values()), sizes["dcn_data"]
    slices = len({getattr(device, "slice_index", 0) for device in devices})
    if devices[0].platform == "tpu" and slices not in (1, groups):
        raise ValueError(f"mesh.dcn_data={groups}: the devices lie in {slices} slices; give mesh.dcn_data={slices}")
    if groups > 1 and groups in (slices, len({device.process_index for device in devices})):
        return mesh_utils.create_hybrid_device_mesh(
            (1, *shape[1:]), (groups, 1, 1, 1), devices, process_is_granule=groups != slices,
            allow_split_physical_axes=True,
        )
    if slices > 1:  # GPUs, a slice being a host: jax.make_mesh would refuse them
        return mesh_utils.create_device_mesh(shape, devices)
    return jax.make_mesh(shape, tuple(sizes), axis_types=(AxisType.Auto,) * len(shape), devices=devices).devices


def nearest_mesh(wanted: Mapping[str, int], count: int) -> dict[str, int]:
    """The sizes whose product is `count` that differ from `wanted` in as few axes as can be, and by as little; where
    that is -1 any will do; among equals dcn_data stays as it is."""
    def cost(sizes: tuple[int, ...]) -> tuple[int, float, bool]:
        off = [abs(math.log(size / max(want, 0.5))) for size, want in zip(sizes, wanted.values(), strict=True)
               if want not in (-1, size)]
        return len(off), sum(off), sizes[0] != wanted[MESH_AXES[0]]

    def products(axes_left: int, left: int) -> Iterator[tuple[int, ...]]:
        if axes_left == 1:
            yield (left,)
            return
        for size in (size for size in range(1, left + 1) if left % size == 0):
            yield from ((size, *rest) for rest in products(axes_left - 1, left // size))

    return dict(zip(wanted, min(products(len(wanted), count), key=cost), strict=True))


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
    return Place(make_mesh({"data": 1}, jax.local_devices()[:1]), ((axes.BATCH, "data"), (axes.FRAMES, None)))


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
        nearest = max(1, round(batch_size / ways)) * ways
        raise ValueError(
            f"batch_size {batch_size} is no multiple of the {ways} devices of mesh axes {names}; the nearest that is: "
            f"{nearest}"
        )
    return NamedSharding(mesh, PartitionSpec(names) if names else PartitionSpec())


@dataclasses.dataclass(frozen=True)
class Rows:
    """The rows of a global batch that a process loads: `blocks` (ascending) of `count` equal ones."""

    blocks: tuple[int, ...]
    count: int


@functools.cache
def rows(mesh: Mesh, rules: Rules) -> Rows:
    """Of this process: those that its devices hold. Raises ValueError as `rows_of` does."""
    names = _mesh_axes("batch", axes.BATCH, mesh, rules)
    order = [mesh.axis_names.index(name) for name in names]
    order += [axis for axis in range(mesh.devices.ndim) if axis not in order]
    processes = np.vectorize(lambda device: device.process_index)(mesh.devices).transpose(order)
    ways = math.prod(mesh.shape[name] for name in names)
    return rows_of(processes.reshape(ways, -1), jax.process_index(), dict(mesh.shape))


def rows_of(processes: np.ndarray, own: int, shape: Mapping[str, int]) -> Rows:
    """Of process `own`. processes: (parts of the batch, devices that hold this part), of each device its process.

    Processes whose devices share a part of the batch (an axis such as tensor reaches over them) load it each. A part's
    rows need not lie beside the others' of its process: on a TPU the mesh follows the wires, not the hosts.

    Raises:
      ValueError: processes hold different numbers of parts, so that none knows how large a batch is.
    """
    held = {process: np.flatnonzero((processes == process).any(1)).tolist() for process in np.unique(processes)}
    fewest, most = (choose(len(parts) for parts in held.values()) for choose in (min, max))
    if fewest != most:
        raise ValueError(
            f"mesh {dict(shape)}: processes hold from {fewest} to {most} of the {len(processes)} parts of a batch, and "
            "must hold equally many; choose axes that the devices of one process fill evenly"
        )
    # Blocks as large as can be: a process reads each as a stream of its own.
    parts, ways = held[own], len(processes)
    starts = [part for part in parts if part - 1 not in parts]
    stops = [part + 1 for part in parts if part + 1 not in parts]
    size = math.gcd(ways, *starts, *stops)
    return Rows(tuple(part // size for part in parts if part % size == 0), ways // size)


def put_batch(batch: Batch, mesh: Mesh, rules: Rules) -> dict[str, Array]:
    """Global device arrays, split along B, from this process's rows of a batch (host arrays, B first): see `rows`."""
    own, local = rows(mesh, rules), len(next(iter(batch.values())))
    size = local * own.count // len(own.blocks)
    split = batch_sharding(mesh, rules, size)
    if split.is_fully_addressable:
        return jax.device_put(dict(batch), split)  # the same arrays, in half the time
    with jax.transfer_guard("allow"):  # between processes this function counts as an implicit transfer
        return {
            name: jax.make_array_from_process_local_data(split, array, (size, *array.shape[1:]))
            for name, array in batch.items()
        }


def shardings(boxed: PyTree, mesh: Mesh, rules: Rules) -> PyTree:
    """Sharding of every leaf of `boxed` (arrays or shapes), without the boxes; leaves out of a box are replicated.

    Raises:
      ValueError: a leaf has a logical name that `rules` lack, or a name count other than its number of dimensions.
    """
    uneven = []

    def leaf_sharding(path, leaf):
        if not boxes.is_box(leaf):
            return replicated(mesh)
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        spec, fits = _spec(name, leaf, mesh, rules)
        if not fits:
            uneven.append((math.prod(leaf.value.shape), name, leaf.value.shape))
        return NamedSharding(mesh, spec)

    tree = jax.tree_util.tree_map_with_path(leaf_sharding, boxed, is_leaf=boxes.is_box)
    if uneven:
        size, name, shape = max(uneven)
        _log.warning(
            "%d parameters (%d values) are not split evenly by mesh %s and stay whole or partly so; the largest: %s %s",
            len(uneven), sum(item[0] for item in uneven), dict(mesh.shape), name, shape,
        )
    return tree


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
