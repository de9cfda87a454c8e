"""A table of a report and its four forms: HTML, CSV, LaTeX and JSON."""

import csv
import dataclasses
import io
import json
import math
import re
from collections.abc import Sequence
from typing import Any

from launch.reporting.markup import text

NOT_MEASURED = "not measured"


@dataclasses.dataclass(frozen=True)
class Head:
    """A column: its name; a mark below it, such as "published, other data"; whether the largest is best (None: neither
    is); the constants of its protocol, JSON."""

    name: str
    mark: str = ""
    largest: bool | None = None
    constants: str = ""

    @property
    def arrow(self) -> str:
        return {True: " ↑", False: " ↓", None: ""}[self.largest]


@dataclasses.dataclass(frozen=True)
class Cell:
    """A figure with its interval (NaN where there is none) and the runs behind it, or words.

    needs: of what is not measured, what would measure it. published: whether it is the paper's.
    """

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    runs: int = 1
    words: str = ""
    needs: str = ""
    published: bool = False

    @property
    def shown(self) -> str:
        if self.words or self.needs:
            return self.words or NOT_MEASURED
        if math.isnan(self.value):
            return "–" if self.published else "not defined"
        return repr(self.value) if self.published else number(self.value)

    @property
    def interval(self) -> str:
        return f"{number(self.low)} to {number(self.high)}" if math.isfinite(self.low) else ""


@dataclasses.dataclass(frozen=True)
class Table:
    """rows: a label and a cell for each head. id: of its files and of its place in the page."""

    id: str
    title: str
    heads: Sequence[Head]
    rows: Sequence[tuple[str, Sequence[Cell]]]
    notes: Sequence[str] = ()


def number(value: float) -> str:
    """Four significant digits; whole numbers as they are."""
    if value == round(value) and abs(value) < 1e6:
        return str(round(value))
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:.1f}"


def as_html(table: Table) -> str:
    """A table that scrolls sideways by itself, with what is missing below it."""
    needs = list(dict.fromkeys(cell.needs for _, cells in table.rows for cell in cells if cell.needs))
    columns = zip(*(cells for _, cells in table.rows), strict=True) if table.rows else [()] * len(table.heads)
    head = "".join(
        f'<th scope="col"{" class=words" if cells and all(cell.words for cell in cells) else ""}>{_head(each)}</th>'
        for each, cells in zip(table.heads, columns, strict=True)
    )
    rows = "".join(
        f'<tr><th scope="row">{text(label)}</th>{"".join(_cell(cell, needs) for cell in cells)}</tr>'
        for label, cells in table.rows
    )
    notes = "".join(f"<p>{text(note)}</p>" for note in table.notes)
    missing = "".join(f"<li>{text(need)}</li>" for need in needs)
    missing = f"<p>Not measured; what would measure it:</p><ol>{missing}</ol>" if needs else ""
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{text(table.title)}"><table>'
        f'<thead><tr><th scope="col"><span class="unseen">row</span></th>{head}</tr></thead><tbody>{rows}</tbody>'
        f'</table></div><div class="notes">{notes}{missing}</div>'
    )


def _head(head: Head) -> str:
    direction = {True: "larger is better", False: "smaller is better", None: ""}[head.largest]
    arrow = f'<span title="{direction}" role="img" aria-label="{direction}">{head.arrow}</span>' if direction else ""
    return f"{text(head.name)}{arrow}" + (f"<small>{text(head.mark)}</small>" if head.mark else "")


def _cell(cell: Cell, needs: Sequence[str]) -> str:
    if cell.needs:
        return f'<td class="missing">{cell.shown} <sup>{needs.index(cell.needs) + 1}</sup></td>'
    kind = "words" if cell.words else "published" if cell.published else "ours"
    small = [cell.interval, f"{cell.runs} runs" if cell.runs > 1 else ""]
    small = "".join(f"<small>{each}</small>" for each in small if each)
    return f'<td class="{kind}">{text(cell.shown)}{small}</td>'


def as_csv(table: Table) -> str:
    """A line a cell."""
    file = io.StringIO()
    out = csv.writer(file, lineterminator="\n")
    out.writerow(
        ("table", "row", "column", "mark", "constants", "source", "value", "low", "high", "runs", "words", "needs")
    )
    for label, cells in table.rows:
        for head, cell in zip(table.heads, cells, strict=True):
            out.writerow([table.id, label, head.name, head.mark, head.constants, _source(cell), _exact(cell.value),
                          _exact(cell.low), _exact(cell.high), cell.runs, cell.words, cell.needs])  # fmt: skip
    return file.getvalue()


def as_latex(table: Table) -> str:
    """A tabular (booktabs); constants and what is not measured in comments."""
    lines = [f"% {table.title}", *(f"% {note}" for note in table.notes)]
    lines += [f"% {head.name}, {head.mark}: {head.constants}" for head in table.heads if head.constants]
    lines += [
        f"% {label}, {head.name}, {NOT_MEASURED}: {cell.needs}"
        for label, cells in table.rows for head, cell in zip(table.heads, cells, strict=True) if cell.needs
    ]
    lines = [line.replace("\n", " ") for line in lines]
    lines += [rf"\begin{{tabular}}{{l{'r' * len(table.heads)}}}", r"\toprule"]
    lines += [_line(["", *(_latex_head(head) for head in table.heads)])]
    lines += [_line(["", *(_escaped(head.mark) for head in table.heads)]), r"\midrule"]
    lines += [_line([_escaped(label), *map(_latex_cell, cells)]) for label, cells in table.rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def as_json(table: Table) -> str:
    """Strict JSON: NaN is null."""
    rows = [
        {"row": label, "cells": [_record(head, cell) for head, cell in zip(table.heads, cells, strict=True)]}
        for label, cells in table.rows
    ]
    content = {"id": table.id, "title": table.title, "notes": list(table.notes), "rows": rows}
    return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


FORMS = {"csv": as_csv, "tex": as_latex, "json": as_json}


def _record(head: Head, cell: Cell) -> dict[str, Any]:
    numbers = {name: getattr(cell, name) for name in ("value", "low", "high")}
    return {
        "column": head.name, "mark": head.mark, "larger_is_better": head.largest, "source": _source(cell),
        "constants": json.loads(head.constants) if head.constants else None,
        **{name: each if math.isfinite(each) else None for name, each in numbers.items()},
        "runs": cell.runs, "words": cell.words, "needs": cell.needs,
    }


def _source(cell: Cell) -> str:
    if cell.needs:
        return NOT_MEASURED
    return "words" if cell.words else "published" if cell.published else "ours"


def _exact(value: float) -> str:
    return repr(float(value)) if math.isfinite(value) else ""


def _latex_head(head: Head) -> str:
    return _escaped(head.name) + {True: r" $\uparrow$", False: r" $\downarrow$", None: ""}[head.largest]


def _latex_cell(cell: Cell) -> str:
    shown = "--" if cell.needs else _escaped(cell.shown)
    return f"{shown} ({cell.interval})" if cell.interval and not cell.needs else shown


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _escaped(words: str) -> str:
    plain = words.replace("\\", "/").replace("–", "--")
    return re.sub(r"[_%&#${}]", r"\\\g<0>", plain).replace("~", r"\textasciitilde{}").replace("^", r"\^{}")


__all__ = ["FORMS", "NOT_MEASURED", "Cell", "Head", "Table", "as_csv", "as_html", "as_json", "as_latex", "number"]
