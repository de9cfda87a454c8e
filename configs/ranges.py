"""What values the fields of a config may take.

Every config file states RANGES of its own fields beside them, by dotted name; in a name, * stands for anything.
launch/runs/resolve.py holds a config against them before anything else is done, and --help shows them.
"""

import dataclasses
import fnmatch
import importlib
import math
from collections.abc import Mapping
from typing import Any

_LARGEST = 2**31 - 1  # of whole numbers: steps and sizes are int32 on devices


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, without them where they are `open`, and those of `also`; of a tuple all items."""

    low: float
    high: float
    open_low: bool = False
    open_high: bool = False
    also: tuple[float, ...] = ()

    def holds(self, value: Any) -> bool:
        """False for NaN, infinity and an empty tuple too."""
        if isinstance(value, tuple):
            return bool(value) and all(self.holds(item) for item in value)
        if not isinstance(value, (int, float)) or not math.isfinite(value):
            return False
        inside = self.low <= value <= self.high
        return value in self.also or inside and not (
            self.open_low and value == self.low or self.open_high and value == self.high
        )

    def __str__(self) -> str:
        if self.high in (math.inf, _LARGEST):
            text = f"above {self.low:g}" if self.open_low else f"at least {self.low:g}"
        else:
            text = f"in {'(' if self.open_low else '['}{self.low:g}, {self.high:.10g}{')' if self.open_high else ']'}"
        return " or ".join([*map(str, self.also), text])


@dataclasses.dataclass(frozen=True)
class OneOf:
    """The values listed."""

    values: tuple[Any, ...]

    def holds(self, value: Any) -> bool:
        return value in self.values

    def __str__(self) -> str:
        return "one of " + ", ".join(map(repr, self.values))


class Texts:
    """Tuples of texts, also empty ones."""

    def holds(self, value: Any) -> bool:
        return isinstance(value, tuple) and all(isinstance(item, str) for item in value)

    def __str__(self) -> str:
        return 'texts, such as (".*",)'


class Free:
    """Any value of the field's type: a name, a switch, or what is checked where it is used."""

    def holds(self, value: Any) -> bool:
        return True

    def __str__(self) -> str:
        return ""


Allowed = Range | OneOf | Texts | Free
FREE, TEXTS = Free(), Texts()
SHARE = Range(0, 1)  # of a whole
DECAY = Range(0, 1, open_high=True)  # of a moving average
REMAT = OneOf(("none", "dots", "attention", "full", "offload"))  # names of xdancer_jax/nn/remat.py POLICIES
POSITIVE, NOT_NEGATIVE = Range(0, math.inf, open_low=True), Range(0, math.inf)


def whole(low: int, high: int = _LARGEST, also: tuple[int, ...] = ()) -> Range:
    """Whole numbers."""
    return Range(low, high, also=also)


def of_stage(name: str) -> dict[str, Allowed]:
    """The ranges of a stage's config: of the shared fields and its own."""
    from configs import base

    return base.RANGES | importlib.import_module(f"configs.{name}").RANGES


def find(ranges: Mapping[str, Allowed], field: str) -> Allowed | None:
    """The range of the field with this dotted name; None where none is stated."""
    return ranges.get(field) or next((ranges[name] for name in ranges if fnmatch.fnmatchcase(field, name)), None)
