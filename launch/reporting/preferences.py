"""What raters chose (launch.study), in a report: a table a study, a row a system, a column a question."""

from collections.abc import Sequence
from typing import Final

from launch.reporting.tables import Cell, Head, Table
from launch.studies import answers, results
from launch.studies import key as keys

# X-Dancer's user study. In a note and in no row: its videos and systems were others.
PUBLISHED: Final = (
    "X-Dancer's own study (published; 25 videos of 10 s a method, other systems) chose it in identity 72.8%, beat "
    "52.1%, style 74.1%, naturalness 82.9%, overall 84.8%."
)


def table(folder: str, number: int) -> Table:
    """Of the study in `folder`, the `number`-th of the report.

    Raises FileNotFoundError, ValueError: no study there, or one without answers; see keys.load and answers.read.
    """
    key = keys.load(folder)
    told = results.measure(answers.read(folder, key).answers, key)
    heads = [Head(f"{one.question}, %", results.SHARES.id, True) for one in told]
    rows = [(system, [_cell(one, i) for one in told]) for i, system in enumerate(key.systems)]
    notes = [
        "Share of the answers that chose a system, the mean over raters, and its 95% interval over raters; "
        f"by chance {100 / len(key.systems):.1f}%.",
        *(_agreement(one) for one in told), PUBLISHED,
    ]
    return Table(f"study_{number}", f"User study of {', '.join(key.systems)}", heads, rows, notes)


def tables(folders: Sequence[str]) -> list[Table]:
    """Of all studies of a report."""
    return [table(folder, number) for number, folder in enumerate(folders, 1)]


def _cell(one: results.Told, system: int) -> Cell:
    share = one.shares[system]
    return Cell(100 * share.share, 100 * share.over_raters.low, 100 * share.over_raters.high)


def _agreement(one: results.Told) -> str:
    return (
        f"{one.question}: {one.answers} answers of {one.raters} raters, {one.ties} ties; agreement: Krippendorff's "
        f"alpha {one.agreement.alpha:.2f}; the clip shown first was chosen in {100 * one.first:.0f}%."
    )


__all__ = ["PUBLISHED", "table", "tables"]
