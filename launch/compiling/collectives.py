"""What the compiled text of a program says about its collectives."""

import dataclasses
import math
import re

_LINE = re.compile(
    r" = (?P<result>.*?) (?P<kind>all-gather|all-to-all|collective-permute|all-reduce|reduce-scatter)(-start)?\("
)
_SHAPE = re.compile(r"\b(pred|[a-z]+\d+)\w*\[([\d,]*)\]")
_NAME = re.compile(r'op_name="([^"]*)"')
# As a table, written out, or as axes of a mesh: [4,2]<=[8], {{0,1},{2,3}}, mesh['a'=4,'b'=2], device_ids=(...) {'b'}
_GROUPS = re.compile(
    r"replica_groups=(?:\[\d+,(?P<table>\d+)\]|\{\{(?P<list>[\d,]*)\}|mesh\[(?P<mesh>[^]]*)\][^{]*\{(?P<axes>[^}]*)\})"
)


@dataclasses.dataclass(frozen=True)
class Collective:
    """One array that a collective gives: its kind, the array's shape, and the operation that it was made for.

    itemsize: bytes of an element. devices: that take part together; 0 where the text does not say it.
    """

    kind: str
    shape: tuple[int, ...]
    name: str
    itemsize: int = 4
    devices: int = 0

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
            name, devices = _NAME.search(line), _devices(line)
            found += [
                Collective(match["kind"], _dims(dims), name[1] if name else "", _itemsize(dtype), devices)
                for dtype, dims in _SHAPE.findall(match["result"])
            ]
    return found


def shapes(text: str) -> list[tuple[int, ...]]:
    """Of all arrays in HLO text."""
    return [_dims(dims) for _, dims in _SHAPE.findall(text)]


def _devices(line: str) -> int:
    """How many take part together in the collective of a line; 0 where it does not say it so that we can read it."""
    found = _GROUPS.search(line)
    if found is None:
        return 0
    if found["mesh"]:
        sizes = dict(axis.split("=") for axis in found["mesh"].split(","))
        names = [name.strip() for name in found["axes"].split(",")]
        return math.prod(int(sizes[name]) for name in names) if sizes.keys() >= set(names) else 0
    return int(found["table"] or len(found["list"].split(",")))


def _dims(text: str) -> tuple[int, ...]:
    return tuple(int(size) for size in text.split(",") if size)


def _itemsize(dtype: str) -> int:
    """Bytes of an element of HLO's f32, bf16, u8, pred, ..."""
    return 1 if dtype == "pred" else math.ceil(int(re.sub(r"\D*", "", dtype, count=1)) / 8)


__all__ = ["Collective", "collectives", "shapes"]
