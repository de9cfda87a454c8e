"""Tables of a sweep as files: every figure as CSV, the leading ones as LaTeX."""

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from data_pipeline.files import write_atomically
from launch.sweeps.figures import HEADLINES, Cell, Column

Rows = Mapping[tuple[str, str], Mapping[Column, Cell]]
_HEADER = ("stage", "row", "protocol", "constants", "figure", "runs", "mean", "interval_low", "interval_high")


def write(rows: Rows, folder: Path) -> list[Path]:
    """Writes table.csv and table.tex into `folder`, and returns where they lie."""
    files = {folder / "table.csv": as_csv(rows), folder / "table.tex": as_latex(rows)}
    for path, text in files.items():
        write_atomically(path, text.encode())
    return list(files)


def as_csv(rows: Rows) -> str:
    """A line for each row and figure: its mean over the row's runs, and the 95% t interval where there are several."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(_HEADER)
    for (stage, row), cells in rows.items():
        for column, cell in sorted(cells.items()):
            bounds = ["", ""] if math.isnan(cell.half) else [repr(cell.mean - cell.half), repr(cell.mean + cell.half)]
            lines.writerow(
                [stage, row, column.protocol, column.constants, column.figure, cell.runs, repr(cell.mean), *bounds]
            )
    return text.getvalue()


def as_latex(rows: Rows) -> str:
    """A tabular (booktabs) for each stage, with the figures of HEADLINES, a column for each protocol and its constants.

    Constants that differ between columns of one name are told in a comment.
    """
    return "\n".join(_tabular(stage, rows) for stage in dict.fromkeys(stage for stage, _ in rows))


def _tabular(stage: str, rows: Rows) -> str:
    own = {row: cells for (name, row), cells in rows.items() if name == stage}
    columns = [column for name in HEADLINES.get(stage, {}) for column in sorted(
        {column for cells in own.values() for column in cells if column.name == name}
    )]
    names = _column_names(columns)
    lines = [f"% stage {stage}: mean over the runs of a row, with half of the 95% t interval over seeds"]
    lines += [f"% {name}: {column.constants}" for column, name in names.items()]
    lines += [rf"\begin{{tabular}}{{l{'r' * len(columns)}}}", r"\toprule"]
    lines += [_line(["", *names.values()]), r"\midrule"]
    lines += [_line([_escaped(row), *(_text(cells.get(column)) for column in columns)]) for row, cells in own.items()]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _column_names(columns: Sequence[Column]) -> dict[Column, str]:
    """Columns of one name get letters."""
    found: dict[Column, str] = {}
    for column in columns:
        alike = [each for each in columns if each.name == column.name]
        letter = f" ({chr(ord('a') + alike.index(column))})" if len(alike) > 1 else ""
        arrow = {True: r" $\uparrow$", False: r" $\downarrow$"}[_largest(column)]
        found[column] = _escaped(column.name + letter) + arrow
    return found


def _largest(column: Column) -> bool:
    return next(figures[column.name] for figures in HEADLINES.values() if column.name in figures)


def _text(cell: Cell | None) -> str:
    if cell is None:
        return "--"
    return f"{cell.mean:.4g}" if math.isnan(cell.half) else rf"{cell.mean:.4g} $\pm$ {cell.half:.2g}"


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _escaped(text: str) -> str:
    return re.sub(r"[_%&#${}]", r"\\\g<0>", text.replace("\\", "/"))


__all__ = ["as_csv", "as_latex", "write"]
