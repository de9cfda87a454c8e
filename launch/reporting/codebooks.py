"""How much of each part's codebook is in use, as bars and as a table."""

from collections.abc import Mapping, Sequence
from typing import Any

from launch.reporting.drawing import SERIES, svg
from launch.reporting.entries import Entry
from launch.reporting.tables import Cell, Head, Table

PROTOCOL = "codebook_use"


def table(entries: Sequence[Entry]) -> Table | None:
    """Of every run that has figures of it; None where none has."""
    heads = (
        Head("used", "share of the entries", True), Head("perplexity", "of the tokens", True), Head("entries"),
        Head("tokens a part", "counted"),
    )  # fmt: skip
    rows = []
    for entry in entries:
        for result in results(entry):
            entries_in = Cell(result.constants.get("entries", float("nan")))
            counted = Cell(result.counts.get("tokens_per_part", float("nan")))
            for part, used in _parts(result.values).items():
                perplexity = Cell(result.values.get(f"{part}/perplexity", float("nan")))
                label = f"{entry.label}: {part.replace('_', ' ')}"
                rows.append((label, (Cell(used), perplexity, entries_in, counted)))
    return Table("codebooks", "Codebook use", heads, rows, (
        "Both figures are bounded by the tokens counted: compare at equal counts.",
    )) if rows else None  # fmt: skip


def results(entry: Entry) -> list[Any]:
    """The last result of the protocol, in a list; [] where there is none."""
    return [found.result for found in entry.found if found.result.protocol == PROTOCOL][-1:]


def chart(entry: Entry) -> str:
    """An <svg> of bars, a part each; "" for a run without these figures."""
    found = results(entry)
    if not found:
        return ""
    used = {part.replace("_", " "): share for part, share in _parts(found[0].values).items()}

    def draw(axes: Any) -> None:
        bars = axes.barh(list(used), [100 * share for share in used.values()], color=SERIES[0], height=0.6)
        axes.bar_label(bars, fmt="%.0f%%", padding=3)
        axes.set(xlim=(0, 112), xlabel="entries in use, %")
        axes.invert_yaxis()

    told = ", ".join(f"{name} {share:.0%}" for name, share in used.items())
    return svg(draw, f"codebook use of {entry.label}: {told}", (4.8, 0.8 + 0.3 * len(used)))


def _parts(values: Mapping[str, float]) -> dict[str, float]:
    return {name.removesuffix("/used"): value for name, value in values.items() if name.endswith("/used")}


__all__ = ["PROTOCOL", "chart", "results", "table"]
