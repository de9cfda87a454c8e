"""What every figure is written with: the id of the protocol that made it and all of that protocol's constants.

A protocol is a frozen dataclass with an `id`, its constants as fields, and a `__call__`. Figures of two protocols, or
of one protocol with two sets of constants, are never tabulated in one column: `column` refuses.
"""

import dataclasses
import functools
import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol


class MetricProtocol(Protocol):
    """A frozen dataclass that computes a figure."""

    @property
    def id(self) -> str: ...


@dataclasses.dataclass(frozen=True)
class Result:
    """Figures with the protocol that made them.

    Attributes:
      protocol: its id.
      constants: its fields other than `id`.
      values: figures by name; NaN (null in the file) where a figure is not defined.
      counts: what the figures were computed over (sequences, beats, frames), by name.
      source: what was measured, such as the run, its step, the data, the split and the seed.
      notes: what a reader must know of the figures: too few samples, what was left out and why; a line each.
    """

    protocol: str
    constants: Mapping[str, Any]
    values: Mapping[str, float]
    counts: Mapping[str, int] = dataclasses.field(default_factory=dict)
    source: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    notes: Sequence[str] = ()

    def as_json(self) -> str:
        """One line of strict JSON."""
        record = dataclasses.asdict(self)
        record["values"] = {k: float(v) if math.isfinite(v) else None for k, v in self.values.items()}
        record["counts"] = {k: int(v) for k, v in self.counts.items()}
        return json.dumps(record, sort_keys=True, allow_nan=False)


def record(
    protocol: MetricProtocol, values: Mapping[str, float], counts: Mapping[str, int] | None = None,
    notes: Sequence[str] = (),
) -> Result:
    """The Result of `values` under `protocol`."""
    constants = dataclasses.asdict(protocol)  # type: ignore[call-overload]
    return Result(constants.pop("id"), constants, dict(values), dict(counts or {}), notes=tuple(notes))


def parse(lines: Sequence[str], name: str | os.PathLike[str]) -> list[Result]:
    """Every Result of the lines of the file `name`. Raises ValueError naming the line that is not one."""
    results = []
    for number, line in enumerate(lines, 1):
        try:
            fields = json.loads(line)
            fields["values"] = {k: math.nan if v is None else v for k, v in fields["values"].items()}
            results.append(Result(**fields))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ValueError(f"{name}, line {number}: not a metric result ({error})") from error
    return results


@functools.cache
def version() -> str:
    """Digest of this package's code: figures that another one made are made anew, and do not stand for its own."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(f"{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def column(results: Sequence[Result], value: str) -> list[float]:
    """The figure `value` of every result, for one column of a table.

    Raises ValueError where the results were made by different protocols or constants, or one lacks the figure.
    """
    kinds = {(r.protocol, json.dumps(dict(r.constants), sort_keys=True)) for r in results}
    if len(kinds) > 1:
        shown = "; ".join(f"{name} {constants}" for name, constants in sorted(kinds))
        raise ValueError(f"{value!r} of different protocols cannot share a column: {shown}")
    missing = [i for i, r in enumerate(results) if value not in r.values]
    if missing:
        raise ValueError(f"results {missing} have no figure {value!r}")
    return [r.values[value] for r in results]
