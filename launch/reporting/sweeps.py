"""Sweeps in a report: rows of runs that differ in nothing but seeds, with intervals."""

from collections.abc import Mapping, Sequence

from launch.reporting.entries import Entry, read
from launch.reporting.paper import Line, averaged
from launch.reporting.tables import Cell, Head, Table
from launch.sweeps import figures, plans
from launch.sweeps.trials import Trial
from xdancer_jax import paths

Rows = Mapping[tuple[str, str], list[Entry]]  # by stage and row, in the order of the sweep


def entries(out: str) -> tuple[list[Trial], Rows]:
    """(the trials, the finished ones' entries). Raises ValueError where there is no sweep, see plans.read."""
    try:
        trials = plans.read(out)
    except ValueError as error:
        raise ValueError(str(error).replace("--out=", "--sweep=")) from error
    rows: dict[tuple[str, str], list[Entry]] = {}
    for trial in trials:
        path = paths.at(trial.workdir(out)) / "config.json"
        if not paths.translated(path, path.exists):
            continue
        entry = read(trial.workdir(out))
        if entry.step == trial.steps:  # figures of another step are those of a run that is not finished
            rows.setdefault((trial.stage, trial.row), []).append(entry)
    return trials, rows


def lines(name: str, rows: Rows) -> list[Line]:
    """A line a row, for the paper's tables."""
    return [averaged(f"{name}: {row}", several) for (_, row), several in rows.items()]


def tables(name: str, rows: Rows) -> list[Table]:
    """A table a stage with its leading figures (sweeps.figures.HEADLINES), a column a protocol and its constants."""
    found = []
    for stage in dict.fromkeys(stage for stage, _ in rows):
        own = [(row, averaged(row, several)) for (each, row), several in rows.items() if each == stage]
        columns = [
            column for headline in figures.HEADLINES.get(stage, {}) for column in sorted(
                {column for _, line in own for column in line.cells if f"{column.protocol}/{column.figure}" == headline}
            )
        ]  # fmt: skip
        heads = [
            Head(column.figure, column.protocol, figures.HEADLINES[stage][f"{column.protocol}/{column.figure}"],
                 column.constants) for column in columns
        ]  # fmt: skip
        cells = [(row, [line.cells.get(column, _MISSING) for column in columns]) for row, line in own]
        if heads:
            found.append(Table(f"sweep_{name}_{stage}", f"Sweep {name}, stage {stage}", heads, cells, (
                "Mean over the runs of a row, which differ in nothing but their seeds, and its 95% t interval.",
            )))  # fmt: skip
    return found


_MISSING = Cell(needs="the sweep's command again, which evaluates what has no figures")


def told(trials: Sequence[Trial], rows: Rows) -> str:
    """How many of the sweep's runs are shown."""
    return f"{sum(map(len, rows.values()))} of {len(trials)} runs are finished and measured."


__all__ = ["Rows", "entries", "lines", "tables", "told"]
