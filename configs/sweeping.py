"""What sweep files are written with (configs/sweeps/): lists of override dicts, made and combined.

A sweep is a list of dicts {dotted field of the config: value}. Three keys of them are no fields: "config" names another
config file and variant than the command's --config, "label" what the run is called in tables and ids, and a value that
is itself such a dict stands for the run of these overrides: the field gets its work directory.
"""

import itertools
import math
import random
from collections.abc import Iterable, Sequence
from typing import Any

Overrides = dict[str, Any]


def axis(field: str, values: Iterable[Any]) -> list[Overrides]:
    """A run for each value of one field."""
    return [{field: value} for value in values]


def seeds(count: int) -> list[Overrides]:
    """A run for each seed from 0 on."""
    return axis("seed", range(count))


def log_uniform(field: str, low: float, high: float, count: int, seed: int) -> list[Overrides]:
    """`count` values of a field, drawn so that their logarithms are uniform in [low, high]; the same for each `seed`.

    Raises ValueError unless 0 < low < high.
    """
    if not 0 < low < high:
        raise ValueError(f"log_uniform({field!r}): needs 0 < low < high, not {low} and {high}")
    chance = random.Random(seed)
    return axis(field, (math.exp(chance.uniform(math.log(low), math.log(high))) for _ in range(count)))


def product(*sweeps: Iterable[Overrides]) -> list[Overrides]:
    """Every run of the first with every run of the others. Raises ValueError where two of them set one field."""
    return [_merged(several) for several in itertools.product(*map(list, sweeps))]


def zipped(*sweeps: Sequence[Overrides]) -> list[Overrides]:
    """The first run of each, the second of each, and so on. Raises ValueError for sweeps of different lengths."""
    lengths = [len(each) for each in sweeps]
    if len(set(lengths)) > 1:
        raise ValueError(f"zipped: sweeps of {lengths} runs; all must have the same number")
    return [_merged(several) for several in zip(*sweeps, strict=True)]


def _merged(several: Sequence[Overrides]) -> Overrides:
    found: Overrides = {}
    for each in several:
        if twice := found.keys() & each.keys():
            raise ValueError(f"two of the sweeps that are combined set {sorted(twice)[0]!r}")
        found |= each
    return found
