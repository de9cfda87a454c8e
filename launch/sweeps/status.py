"""A sweep at a glance: a line a run, one for each that failed, and how many are in which state."""

import collections
import sys
import time
from collections.abc import Sequence

from rich.live import Live
from rich.table import Table

from launch.sweeps import figures, state
from launch.sweeps.state import Seen
from launch.sweeps.trials import Trial

_EVERY = 5.0  # seconds between looks
_HEADER = ("run", "state", "step", "steps/s", "left", "figure")
_OVER = ("finished", "failed")


def show(trials: Sequence[Trial], out: str) -> None:
    """Prints the table; on a terminal it stays and is made anew until every run is finished or has failed."""
    seen = _look(trials, out)
    if not sys.stdout.isatty():
        print(_text([_HEADER, *_rows(trials, out, seen)]), _caption(seen), sep="\n")
        return
    with Live(_table(trials, out, seen), auto_refresh=False, vertical_overflow="visible") as live:
        while any(each.state not in _OVER for each in seen):
            time.sleep(_EVERY)
            seen = _look(trials, out)
            live.update(_table(trials, out, seen), refresh=True)


def _look(trials: Sequence[Trial], out: str) -> list[Seen]:
    return [state.seen(trial, out) for trial in trials]


def _rows(trials: Sequence[Trial], out: str, seen: Sequence[Seen]) -> list[tuple[str, ...]]:
    return [
        (trial.id, each.state, f"{each.step}/{trial.steps}", f"{each.rate:.3g}" if each.rate else "",
         _left(trial, each), each.told or _figure(trial, out, each))
        for trial, each in zip(trials, seen, strict=True)
    ]


def _text(rows: Sequence[tuple[str, ...]]) -> str:
    """In columns as wide as they must be, for files and pipes."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def _table(trials: Sequence[Trial], out: str, seen: Sequence[Seen]) -> Table:
    """For a terminal, which it fits."""
    table = Table(box=None, pad_edge=False, caption=_caption(seen), caption_justify="left")
    for name in _HEADER:
        table.add_column(name, overflow="fold")
    for row in _rows(trials, out, seen):
        table.add_row(*row)
    return table


def _caption(seen: Sequence[Seen]) -> str:
    counts = collections.Counter(each.state for each in seen)
    return ", ".join(f"{count} {name}" for name, count in counts.items()) + f" of {len(seen)} runs"


def _left(trial: Trial, seen: Seen) -> str:
    """Time that its steps still take at the rate it has."""
    if seen.state != "training" or not seen.rate:
        return ""
    seconds = int((trial.steps - seen.step) / seen.rate)
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _figure(trial: Trial, out: str, seen: Seen) -> str:
    if seen.state != "finished":
        return ""
    name = figures.headline(trial.stage)
    try:
        value = figures.value(figures.of_trial(trial, out), name)
    except ValueError as error:
        return str(error)
    return "" if value is None else f"{name} {value:.4g}"


__all__ = ["show"]
