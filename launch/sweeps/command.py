"""What launch.sweep does: looks at a sweep, or starts it on one of the backends."""

import dataclasses
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict
from tqdm import tqdm

from data_pipeline import files
from launch.sweeps import exports, figures, plans, state, status, sweep_files, trials
from launch.sweeps.local import Attempt, Local, Outcome
from launch.sweeps.slots import slots
from launch.sweeps.state import Measured
from launch.sweeps.trials import Trial
from xdancer_jax.train import flock

_SHOWN_EVERY = 2.0  # seconds between two looks at the steps of what is under way


@dataclasses.dataclass(frozen=True)
class Order:
    """What is to be started: the trials of a sweep, its folder, and the flags that say how."""

    trials: Sequence[Trial]
    out: str
    measured: Measured
    max_parallel: int | None
    tries: int
    backoff: float
    cluster: ConfigDict | None
    render: str | None
    execute: bool


def plan(config: str, given: Mapping[str, Any], sweep: str) -> list[Trial]:
    """The trials of a sweep file. Raises ValueError for whatever is wrong with it or with a config."""
    return trials.plan(config, given, sweep_files.load(sweep))


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


def _local(order: Order) -> None:
    """Raises ValueError where a run failed for good, and KeyboardInterrupt with what is left."""
    files.check_here(order.out)
    with flock.alone(Path(order.out) / state.LOCK, "runs this sweep; wait until it has ended, or give another --out"):
        from launch.sweeps import checking  # brings in JAX

        checking.check(order.trials)
        shares = slots(order.max_parallel)
        plans.write(order.out, order.trials, order.measured, sys.argv)
        with _Line(len(order.trials), order.out) as line:
            job = Local(
                order.trials, order.out, shares, order.measured, tries=order.tries, backoff=order.backoff,
                tell=line.tell, each=line.update,
            )
            try:
                outcome = job.run()
            except KeyboardInterrupt as stopped:
                done = f"{len(job.finished)} of {len(order.trials)} runs are finished"
                stopped.args = (f"{done}, what was under way is saved; the same command goes on",)
                raise
        _report(outcome, order)


def _report(outcome: Outcome, order: Order) -> None:
    before = f" ({len(outcome.before)} of them before)" if outcome.before else ""
    done = len(outcome.before) + len(outcome.finished)
    print(f"{done} of {len(order.trials)} runs are finished{before}; {order.out}")
    if outcome.failed:
        told = "; ".join(f"{name}: {why}" for name, why in outcome.failed.items())
        more = f"; {len(outcome.blocked)} stand on these and were not begun" if outcome.blocked else ""
        raise ValueError(f"{len(outcome.failed)} runs failed: {told}{more}; the same command tries them again")


class _Line:
    """The progress of a sweep: a bar of its runs with what is under way, and lines above it."""

    def __init__(self, count: int, out: str):
        self._out, self._count, self._next = out, count, 0.0

    def __enter__(self) -> "_Line":
        self._bar = tqdm(total=self._count, unit="run", desc="sweep", disable=None)  # none where no terminal is
        return self

    def __exit__(self, *unused) -> None:
        self._bar.close()

    def tell(self, text: str) -> None:
        self._bar.write(text, file=sys.stderr)

    def update(self, running: Sequence[Attempt], done: int) -> None:
        if self._bar.disable or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _SHOWN_EVERY
        self._bar.set_postfix_str(", ".join(self._one(each) for each in running), refresh=False)
        self._bar.n = done
        self._bar.refresh()

    def _one(self, attempt: Attempt) -> str:
        trial = attempt.job.trial
        if attempt.job.work == "train":
            return f"{trial.id} {state.seen(trial, self._out).step}/{trial.steps}"
        return f"{trial.id} {attempt.job.work}"


START: Mapping[str, Callable[[Order], None]] = {"local": _local}
__all__ = ["START", "Measured", "Order", "look", "plan"]
