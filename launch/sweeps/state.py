"""How far a trial is, seen in the files of its work directory alone: nothing else is kept that could contradict them.

What tried to bring it further adds a line to WORKDIR/sweep.jsonl when it begins and when it ends.
"""

import contextlib
import dataclasses
import functools
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from etils import epath

from launch.figures import results
from launch.figures.data import Data
from launch.sweeps.trials import Trial
from xdancer_jax import paths
from xdancer_jax.evals.protocols import Result
from xdancer_jax.train import flock

NAME, LOCK = "sweep.jsonl", "sweep.lock"
_TAIL = 65_536  # bytes of metrics.jsonl that hold its last lines


@dataclasses.dataclass(frozen=True)
class Measured:
    """What of its data a sweep's runs are evaluated on, see launch.evaluate."""

    clips: int = 0
    frames: int = 16

    def options(self) -> list[str]:
        return [f"--clips={self.clips}", f"--frames={self.frames}"]


def trained(trial: Trial, out: str) -> bool:
    """Whether its last step is saved. Checkpoints get their names when they are whole."""
    path = paths.at(trial.workdir(out)) / "checkpoints" / str(trial.steps)
    return paths.translated(path, path.exists)


def figures(trial: Trial, out: str, wanted: Mapping[str, Any]) -> list[Result]:
    """Results of its last step that were made under `wanted`, a part of launch.figures.results.setting."""
    found = results.read(paths.at(trial.workdir(out)) / results.NAME)
    return [result for result in found if result.source.get("step") == trial.steps and results.has(result, wanted)]


def next_work(trial: Trial, out: str, measured: Measured) -> str:
    """"train", "evaluate", or "" where nothing is left to do. Figures of other protocols' code do not count."""
    if not trained(trial, out):
        return "train"
    return "" if figures(trial, out, _setting(trial.data, trial.split, measured)) else "evaluate"


@functools.cache
def _setting(data: str, split: str, measured: Measured) -> dict[str, Any]:
    return results.setting(Data(data, split, measured.clips, measured.frames))


def note(trial: Trial, out: str, work: str, **event: Any) -> None:
    """Adds a line about an attempt at `work`."""
    line = json.dumps({"time": time.time(), "work": work} | event)
    workdir = paths.at(trial.workdir(out))
    if not paths.in_store(workdir):
        workdir.mkdir(parents=True, exist_ok=True)
    paths.append(workdir / NAME, f"{line}\n".encode())


def notes(trial: Trial, out: str) -> list[dict[str, Any]]:
    """The lines of `note` so far; one that was cut short is left out."""
    path = paths.at(trial.workdir(out)) / NAME
    if not paths.translated(path, path.exists):
        return []
    found = []
    for line in paths.translated(path, path.read_text).splitlines():
        with contextlib.suppress(ValueError):
            found.append(json.loads(line))
    return found


@dataclasses.dataclass(frozen=True)
class Seen:
    """A trial as a table shows it.

    Attributes:
      state: "waiting", "training", "trained", "evaluating", "finished", "failed" or "stopped".
      step: of its newest line of metrics.
      rate: steps a second there; 0 where none is told.
      told: the last line of what failed.
    """

    state: str
    step: int
    rate: float
    told: str = ""


def seen(trial: Trial, out: str) -> Seen:
    workdir = paths.at(trial.workdir(out))
    step, rate = _last_metrics(workdir)
    done = trained(trial, out)
    if done and figures(trial, out, {}):
        return Seen("finished", trial.steps, rate)
    step = trial.steps if done else step
    lines = notes(trial, out)
    last = lines[-1] if lines else {}
    if _held(workdir / "lock"):  # whoever trains holds it
        return Seen("training", step, rate)
    if last.get("event") == "began" and last["work"] == "evaluate" and _held(paths.at(out) / LOCK):
        return Seen("evaluating", step, rate)
    if last.get("event") == "failed":
        return Seen("failed", step, rate, last.get("told", ""))
    return Seen("trained" if done else "stopped" if step or last else "waiting", step, rate)


def _held(path: epath.Path) -> bool:
    """In a store it is a lease that its holder removes."""
    if paths.in_store(path):
        return paths.translated(path, path.exists)
    return flock.is_held(Path(path))


def _last_metrics(workdir: epath.Path) -> tuple[int, float]:
    """(step, steps a second) of the newest line of metrics that tells of training."""
    if paths.in_store(workdir):
        from xdancer_jax.train import metrics  # reads parts too; brings in more

        lines = [line for _, line in metrics.lines(workdir)]
    else:
        lines = _tail(workdir / "metrics.jsonl")
    step, rate = 0, 0.0
    for line in lines:
        with contextlib.suppress(ValueError, KeyError, TypeError, ZeroDivisionError):
            found = json.loads(line)
            step = max(step, found["step"])
            rate = 1 / found["time/step_seconds"] if "time/step_seconds" in found else rate
    return step, rate


def _tail(path: epath.Path) -> list[str]:
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - _TAIL))
        return file.read().decode(errors="replace").splitlines()


__all__ = ["LOCK", "NAME", "Measured", "Seen", "figures", "next_work", "note", "notes", "seen", "trained"]
