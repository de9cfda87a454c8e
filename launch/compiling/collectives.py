"""What the compiled text of a program says about its collectives."""

import dataclasses
import math
import re
from collections.abc import Mapping

import numpy as np

_LINE = re.compile(
    r" = (?P<result>.*?) (?P<kind>all-gather|all-to-all|collective-permute|all-reduce|reduce-scatter)(-start)?\("
)
_SHAPE = re.compile(r"\b(pred|[a-z]+\d+)\w*\[([\d,]*)\]")
_NAME = re.compile(r'op_name="([^"]*)"')
# As a table, written out, or as axes of a mesh: [4,2]<=[2,4]T(1,0), {{0,1},{2,3}}, mesh['a'=4,'b'=2],
# device_ids=(...) {'b'}; a permutation's are pairs of source and target.
_GROUPS = re.compile(
    r"replica_groups=(?:\[\d+,(?P<table>\d+)\]<=\[(?P<dims>[\d,]*)\](?:T\((?P<order>[\d,]*)\))?"
    r"|\{\{(?P<list>[\d,]*)\}|mesh\[(?P<mesh>[^]]*)\][^{]*\{(?P<axes>[^}]*)\})"
)
_PAIRS = re.compile(r"source_target_pairs=\{(?P<pairs>[\d,{}]*)\}\}")


@dataclasses.dataclass(frozen=True)
class Collective:
    """One array that a collective gives: its kind, the array's shape, and the operation that it was made for.

    itemsize: bytes of an element. devices: that take part together; 0 where the text does not say it. group: some that
    do, by their place in the mesh; of a permutation, those that send to one another; () where the text does not say it.
    """

    kind: str
    shape: tuple[int, ...]
    name: str
    itemsize: int = 4
    devices: int = 0
    group: tuple[int, ...] = ()

    def axes(self, mesh: Mapping[str, int]) -> tuple[str, ...]:
        """Those of a mesh (axis -> size, in its order) along which the devices of a group differ; () if not known."""
        places = np.unravel_index(self.group, tuple(mesh.values())) if self.group else [()] * len(mesh)
        return tuple(name for name, along in zip(mesh, places, strict=True) if len(set(along)) > 1)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes_sent(self) -> float:
        """By each device, in a ring: an all-reduce sends as much as a reduce-scatter and an all-gather together.

        Raises ValueError where the number of devices is not known.
        """
        given, others = self.size * self.itemsize, self.devices - 1
        if self.kind == "collective-permute":
            return float(given)
        if not self.devices:
            raise ValueError(f"{self}: its text names no group of devices that compiling/collectives.py reads")
        if self.kind == "reduce-scatter":  # gives one device's share
            return float(given * others)
        return (2 if self.kind == "all-reduce" else 1) * given * others / self.devices


def collectives(text: str) -> list[Collective]:
    """Those in HLO text, one entry for each array of a result. One in a loop's body is there once."""
    found = []
    for line in text.splitlines():
        match = _LINE.search(line)
        if match:
            name, (devices, group) = _NAME.search(line), _devices(line)
            found += [
                Collective(match["kind"], _dims(dims), name[1] if name else "", _itemsize(dtype), devices, group)
                for dtype, dims in _SHAPE.findall(match["result"])
            ]
    return found


def shapes(text: str) -> list[tuple[int, ...]]:
    """Of all arrays in HLO text."""
    return [_dims(dims) for _, dims in _SHAPE.findall(text)]


def _devices(line: str) -> tuple[int, tuple[int, ...]]:
    """How many take part together in the collective of a line, and the first group of them; 0 and () where the line
    does not say it so that we can read it."""
    pairs = _PAIRS.search(line)
    if pairs:
        found = [_dims(pair) for pair in re.findall(r"[\d,]+", pairs["pairs"].replace("},{", " "))]
        moved = next((pair for pair in found if pair[0] != pair[1]), ())
        return 0, moved
    found = _GROUPS.search(line)
    if found is None:
        return 0, ()
    if found["mesh"]:
        return _of_axes(found["mesh"], found["axes"])
    if found["list"]:
        group = _dims(found["list"])
        return len(group), group
    dims, count = _dims(found["dims"]), int(found["table"])
    ids = np.arange(math.prod(dims)).reshape(dims)
    if found["order"]:
        ids = ids.transpose(_dims(found["order"]))
    return count, tuple(ids.reshape(-1)[:count].tolist())


def _of_axes(mesh: str, axes: str) -> tuple[int, tuple[int, ...]]:
    """Of the first group, for a mesh whose devices are in their order."""
    sizes = {name: int(size) for name, size in (axis.split("=") for axis in mesh.split(","))}
    names = [name.strip() for name in axes.split(",")]
    if not sizes.keys() >= set(names):
        return 0, ()
    ids = np.arange(math.prod(sizes.values())).reshape(tuple(sizes.values()))
    group = ids[tuple(slice(None) if name in names else 0 for name in sizes)].reshape(-1)
    return len(group), tuple(group.tolist())


def _dims(text: str) -> tuple[int, ...]:
    return tuple(int(size) for size in text.split(",") if size)


def _itemsize(dtype: str) -> int:
    """Bytes of an element of HLO's f32, bf16, u8, pred, ..."""
    return 1 if dtype == "pred" else math.ceil(int(re.sub(r"\D*", "", dtype, count=1)) / 8)


__all__ = ["Collective", "collectives", "shapes"]
