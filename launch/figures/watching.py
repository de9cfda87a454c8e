"""The checkpoints of a run that may still be training are evaluated as they come, each once, oldest first.

All that is known between two of them lies in the run's files, so that a watch that was stopped goes on with the same
command: a checkpoint has its results in evaluation.jsonl, all of them, or is taken again.
"""

import dataclasses
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from launch.figures import measuring, results, scalars
from launch.figures.data import Data
from launch.runs import agreement, loading, sharing
from launch.runs.loading import Run
from xdancer_jax import paths
from xdancer_jax.train import checkpoint, lock, record

_LOCK, _TOLD = "evaluation.lock", "is watching this run already; wait until it has ended"
_LINE_EVERY = 60  # seconds between two lines while nothing comes


def watch(workdir: str | Path, data: Data, minutes: float | None, poll: float = 5.0) -> None:
    """Evaluates every checkpoint of the run in `workdir` that has no results of this setting, until its last step has.

    minutes: that it waits for the next checkpoint, or for the run to begin; None for ever. poll: seconds between looks.
    One watch at a time has a run. Every process must call it: process 0 looks, and all evaluate.

    Raises:
      ValueError: another watch has the run; or, at the end, checkpoints could not be read, each told of before.
    """
    try:
        _watch(workdir, data, minutes, poll)
    except KeyboardInterrupt as stopped:
        stopped.args = (left(workdir),)
        raise


def _watch(workdir: str | Path, data: Data, minutes: float | None, poll: float) -> None:
    watched = _Watched(workdir, agreement.everywhere(lambda: results.setting(data)), minutes, poll)
    while (found := sharing.first(watched.missing)).get("wait"):
        watched.wait(found["wait"])
    if "end" not in found:
        with lock.held(workdir, _LOCK, _TOLD):
            sharing.first(lambda: scalars.derive(workdir, watched.setting))  # a stop may have come before it was
            found = _evaluate_all(watched, data)
    watched.tell(found["end"])
    if found["damaged"]:
        steps = ", ".join(map(str, found["damaged"]))
        raise ValueError(f"{workdir}: checkpoints that could not be evaluated: {steps}; see the lines above")


def left(workdir: str | Path) -> str:
    """What a watch that was stopped leaves, and how to go on."""
    steps = results.evaluated_steps(workdir)
    told = f"{len(steps)} checkpoints have results" if steps else "no checkpoint has results yet"
    return f"{told} in {paths.at(workdir) / results.NAME}; the same command goes on"


def _evaluate_all(watched: "_Watched", data: Data) -> dict[str, Any]:
    """Until there is an end, which it returns (_Watched.look)."""
    out, before = watched.workdir / results.NAME, None
    while "end" not in (found := sharing.first(watched.look)):
        if "wait" in found:
            watched.wait(found["wait"])
            continue
        run = watched.load(found["step"], before)
        if run is not None:
            measuring.evaluate(run, data, watched.setting, out)
            before = dataclasses.replace(run, params={}, extra={})
        watched.since = time.monotonic()
    return found


class _Watched:
    """What process 0 sees of the run. `damaged`: steps that cannot be read, of all processes."""

    def __init__(self, workdir: str | Path, setting: Mapping[str, Any], minutes: float | None, poll: float):
        self.workdir, self.setting = paths.at(workdir), setting
        self.since, self._said = time.monotonic(), (0.0, "")
        self._minutes, self._poll = minutes, poll
        self._damaged: set[int] = set()
        self._kept: list[int] = []

    def missing(self) -> dict[str, Any]:
        """As `look`, of a run that has not begun; {} once it has."""
        if record.exists(self.workdir):
            return {}
        return self._waiting(f"no run in {self.workdir} yet")

    def look(self) -> dict[str, Any]:
        """{"step": to evaluate next}, {"wait": what for}, or {"end": why, "damaged": steps}."""
        kept = checkpoint.steps(self.workdir)
        if kept != self._kept:
            self._kept, self.since = kept, time.monotonic()
        known = results.evaluated(self.workdir, self.setting)
        steps = [step for step in kept if step not in known | self._damaged]
        if steps:
            return {"step": steps[0]}
        last = record.read(self.workdir)["config"]["steps"]
        if last in known | self._damaged:
            return self._end(f"step {last} was the run's last")
        done = max(known, default=0)
        return self._waiting(f"step {done} of {last} is evaluated" if done else f"no checkpoint of {last} steps yet")

    def load(self, step: int, before: Run | None) -> Run | None:
        """The run at `step`, compiled functions of `before` with it; None for a checkpoint that is gone or damaged."""
        try:
            run = agreement.everywhere(lambda: loading.load(self.workdir, step=step))
        except (ValueError, OSError) as error:
            time.sleep(self._poll)  # one that is being removed is gone then
            if sharing.first(lambda: step not in checkpoint.steps(self.workdir)):
                self.tell(f"step {step} was removed before it could be evaluated")
            else:
                self._damaged.add(step)
                self.tell(f"step {step} is left out: {error}")
            return None
        if before is not None and before.config == run.config:
            return dataclasses.replace(run, modules=before.modules, stage=before.stage)
        return run

    def wait(self, what: str) -> None:
        """A line where there is something new to say, or nothing was said for a while; then the pause of all."""
        at, before = self._said
        if what != before or time.monotonic() - at > _LINE_EVERY:
            self._said = time.monotonic(), what
            self.tell(f"{what}; waiting for the next")
        time.sleep(self._poll)

    def tell(self, line: str) -> None:
        if jax.process_index() == 0:
            print(f"watch: {line}", file=sys.stderr, flush=True)

    def _waiting(self, what: str) -> dict[str, Any]:
        if self._minutes is not None and time.monotonic() - self.since > 60 * self._minutes:
            return self._end(f"{what}, and nothing new came for {self._minutes:g} minutes (--watch_minutes)")
        return {"wait": what}

    def _end(self, why: str) -> dict[str, Any]:
        return {"end": why, "damaged": sorted(self._damaged)}


__all__ = ["left", "watch"]
