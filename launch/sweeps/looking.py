"""A look at a sweep that was started: its table, its best run, its tables as files."""

from collections.abc import Mapping
from pathlib import Path

from data_pipeline import files
from launch.sweeps import exports, figures, plans, status
from launch.sweeps.trials import Trial


def look(out: str, show: bool, best: str | None, best_is: str | None, export: bool) -> None:
    """Prints the table of a sweep that was started, its best run, or writes its tables."""
    planned = plans.read(out)
    if show:
        status.show(planned, out)
    if not (best or export):
        return
    found = {trial: figures.of_trial(trial, out) for trial in planned}
    if best:
        print(_best(found, out, best, best_is))
    if export:
        files.check_here(out)
        print(*exports.write(figures.rows(found), Path(out)), sep="\n")


def _best(found: Mapping[Trial, Mapping[figures.Column, float]], out: str, name: str, best_is: str | None) -> str:
    trial = figures.best(found, name, None if best_is is None else best_is == "largest")
    text = f"{trial.workdir(out)}: {name} {figures.value(found[trial], name):.6g}"
    row = figures.rows(found)[trial.stage, trial.row]
    cell = next(each for column, each in row.items() if column.name == name)
    return text if cell.runs == 1 else f"{text}; {cell.runs} runs of {trial.row}: {cell.mean:.6g} +- {cell.half:.2g}"


__all__ = ["look"]
