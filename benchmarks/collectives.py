"""What the compiled text of a program says about its collectives."""

import dataclasses
import math
import re

_LINE = re.compile(
    r" = (?P<result>.*?) (?P<kind>all-gather|all-to-all|collective-permute|all-reduce|reduce-scatter)(-start)?\("
)
_SHAPE = re.compile(r"\b(?:pred|[a-z]+\d+)\[([\d,]*)\]")
_NAME = re.compile(r'op_name="([^"]*)"')


@dataclasses.dataclass(frozen=True)
class Collective:
    """One array that a collective gives: its kind, the array's shape, and the operation that it was made for."""

    kind: str
    shape: tuple[int, ...]
    name: str

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def collectives(text: str) -> list[Collective]:
    """Those in HLO text, one entry for each array of a result."""
    found = []
    for line in text.splitlines():
        match = _LINE.search(line)
        if match:
            name = _NAME.search(line)
            found += [Collective(match["kind"], shape, name[1] if name else "") for shape in shapes(match["result"])]
    return found


def shapes(text: str) -> list[tuple[int, ...]]:
    """Of all arrays in HLO text."""
    return [tuple(int(size) for size in dims.split(",") if size) for dims in _SHAPE.findall(text)]
