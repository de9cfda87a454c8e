"""The paper's tables with our figures beside the published ones: a column for each of our protocols, never a shared
one. A published row is followed by a line for each further run that stands in it."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from launch.reporting.entries import Entry, interval
from launch.reporting.published import Published, Quantity, Row
from launch.reporting.tables import Cell, Head, Table

PUBLISHED = "published, other data"


class Column(NamedTuple):
    """A figure of one protocol with one set of constants and of its networks' weights (JSON) in one suite."""

    suite: str
    protocol: str
    figure: str
    constants: str


class Line(NamedTuple):
    """A row of ours: its label, the stage and config of its run, its figures, and those of the real dances."""

    label: str
    stage: str
    config: Mapping[str, Any]
    cells: Mapping[Column, Cell]
    truth: Mapping[Column, Cell]


def line(entry: Entry) -> Line:
    """Of a run or a folder; figures through random weights are none."""
    cells, truth = {}, {}
    for found in entry.found:
        for figure, value in ({} if found.random else found.result.values).items():
            column = Column(found.suite, found.result.protocol, figure, found.kind)
            cells[column] = Cell(value, *interval(found.result, figure))
            if math.isfinite(found.result.values.get("ground_truth", math.nan)):
                truth[column] = Cell(found.result.values["ground_truth"])
    return Line(entry.label, entry.stage, entry.config, cells, truth)


def averaged(label: str, entries: Sequence[Entry]) -> Line:
    """Of runs that differ in nothing but seeds: means, with their 95% t interval."""
    from launch.sweeps import figures  # brings in what a page of runs alone does not need

    if len(entries) == 1:
        return line(entries[0])._replace(label=label)
    each = [line(entry) for entry in entries]
    cells = {}
    for column in dict.fromkeys(column for one in each for column in one.cells):
        values = [one.cells[column].value for one in each if column in one.cells]
        values = [value for value in values if math.isfinite(value)]
        mean = figures.cell(values) if values else None
        if mean:
            cells[column] = Cell(mean.mean, mean.mean - mean.half, mean.mean + mean.half, mean.runs)
    truth = {column: cell for one in each for column, cell in one.truth.items()}
    return Line(label, entries[0].stage, entries[0].config, cells, truth)


def table(published: Published, lines: Sequence[Line]) -> Table:
    """The published table with `lines` beside its rows. Figures of other systems (stage "") stand in the row whose
    label is their name, letters and digits alone, or in lines of their own."""
    placed = [(row, [each for each in lines if _stands(each, row)]) for row in published.rows]
    shown = [each for _, several in placed for each in several]
    others = [each for each in lines if each.stage == "" and each not in shown and _any(each, published)]
    columns = {quantity: _columns(quantity, [*shown, *others]) for quantity in published.quantities}
    rows: list[tuple[str, list[Cell]]] = []
    for row, several in placed:
        if row.truth:
            rows.append((row.label, _cells(published, columns, row, _truth(shown))))
            continue
        first, *rest = several or [None]
        rows.append((_label(row, first), _cells(published, columns, row, first)))
        rows += [(_label(row, each), _cells(published, columns, None, each, row)) for each in rest]
    rows += [(each.label, _cells(published, columns, None, each)) for each in others]
    return Table(published.id, published.title, list(_heads(published, columns)), rows, (
        "Published figures are the paper's, of its own data, which nobody else has; their protocols' constants are not "
        "stated. Ours stand in columns of their own, each under the protocol that made it.",
    ))  # fmt: skip


def _label(row: Row, ours: Line | None) -> str:
    if ours is None:
        return row.label
    return f"{row.label} — ours: {ours.label}" if ours.stage else f"{row.label} — measured here"


def _heads(published: Published, columns: Mapping[Quantity, Sequence[Column]]) -> Iterator[Head]:
    for quantity in published.quantities:
        for data in published.data:
            yield Head(f"{quantity.name} {data}", PUBLISHED, quantity.largest)
        for column in columns[quantity]:
            alike = [each for each in columns[quantity] if each.protocol == column.protocol]
            letter = f" ({chr(ord('a') + alike.index(column))})" if len(alike) > 1 else ""
            mark = f"another protocol: {column.protocol}{letter}" if column.protocol else "none measured"
            yield Head(f"{quantity.name} ours", mark, quantity.largest, column.constants)


_EMPTY = Column("", "", "", "")


def _columns(quantity: Quantity, lines: Sequence[Line]) -> list[Column]:
    """Those of ours that measure the quantity; one without a protocol where none does."""
    found = {column for each in lines for column in each.cells if _measures(column, quantity)}
    return sorted(found) or [_EMPTY]


def _measures(column: Column, quantity: Quantity) -> bool:
    return (
        column.suite == quantity.suite and column.figure == quantity.figure
        and re.fullmatch(quantity.protocols, column.protocol) is not None
    )  # fmt: skip


def _cells(
    published: Published, columns: Mapping[Quantity, Sequence[Column]], row: Row | None, ours: Line | None,
    of: Row | None = None,
) -> list[Cell]:
    cells = []
    for index, quantity in enumerate(published.quantities):
        values = row.values[index] if row else [math.nan] * len(published.data)
        cells += [Cell(value, published=True) for value in values]
        cells += [
            ours.cells[column] if ours and column in ours.cells else Cell(needs=_needs(quantity, row or of))
            for column in columns[quantity]
        ]
    return cells


def _needs(quantity: Quantity, row: Row | None) -> str:
    if row and (row.stage or row.truth):
        return quantity.needs(f"--run of a {row.stage or quantity.suite} run")
    return quantity.needs("--from_videos of this system's clips --out of its name")


def _truth(lines: Sequence[Line]) -> Line:
    """The real dances' figures, as the first run that states them has them."""
    cells: dict[Column, Cell] = {}
    for each in lines:
        cells = each.truth | cells
    return Line("ground truth", "", {}, cells, {})


def _stands(each: Line, row: Row) -> bool:
    if not each.stage:
        return _plain(each.label) == _plain(row.label)
    return each.stage == row.stage and all(_fits(_value(each.config, name), want) for name, want in row.where.items())


def _fits(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, tuple):
        return isinstance(value, (int, float)) and wanted[0] < value <= wanted[1]
    return value == wanted


def _value(config: Mapping[str, Any], name: str) -> Any:
    """The field of a dotted name; None where the config has none."""
    found: Any = config
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _any(each: Line, published: Published) -> bool:
    return any(_measures(column, quantity) for column in each.cells for quantity in published.quantities)


def _plain(label: str) -> str:
    return re.sub(r"[^a-z0-9]", "", label.lower())


__all__ = ["PUBLISHED", "Column", "Line", "averaged", "line", "table"]
