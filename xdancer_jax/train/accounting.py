"""Where the time of a run goes, over its whole life: WORKDIR/goodput.json.

Every second of process 0 since the run was first begun is in one phase:

  start        of a process, up to its first step, what is named below left out: imports, finding one another, restoring
  compile, data_wait, step, checkpoint, evaluation    inside `Account.phase` of that name
  other        between those, once the first step is done
  lost         steps that were done, and done again because a process ended before they were saved
  down         between the last thing that is known of a process and the start of the next

The file is written whole, at `write`: what a process did after its last one is not known once it is killed, and is
`down`. Which seconds belonged to the steps that are lost is taken from marks (step, seconds of steps so far) at each
write, evenly between two of them. A run that was left alone for a weekend was down for it.
"""

import contextlib
import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax

from xdancer_jax import paths
from xdancer_jax.train import disk

PHASES = ("start", "compile", "data_wait", "step", "checkpoint", "evaluation", "other", "lost", "down")
_MEASURED = ("compile", "data_wait", "step", "checkpoint", "evaluation")
_FORMAT = 1
_MARKS = 512  # more are thinned out: the file is written often
_EPOCH = time.time() - time.monotonic()

_log = logging.getLogger(__name__)


def now() -> float:
    """Seconds since the epoch by a clock that nobody sets back while the process runs."""
    return _EPOCH + time.monotonic()


class Account:
    """The time of a run, that of its earlier processes included. Only process 0 reads and writes the file."""

    def __init__(self, path: Path, start_step: int, began: float | None = None, clock: Callable[[], float] = now):
        """Goes on from what is in `path` (of pathlib or epath), for a process that begins after `start_step`.

        began: when this process was started, in seconds since the epoch; by default now.

        Raises:
          ValueError: `path` is something else.
        """
        self._path, self._clock = path, clock
        self._seconds = dict.fromkeys(PHASES, 0.0)
        self._marks = [(0, 0.0)]
        self._step, self._phase, self._outside = start_step, "start", "start"
        self._warned = False
        self._since = clock() if began is None else began
        if jax.process_index() == 0 and path.exists():
            written = self._read()
            self._seconds["down"] += max(0.0, self._since - written)
        done = _at(self._marks, start_step)
        self._seconds["lost"] += self._seconds["step"] - done
        self._seconds["step"] = done
        self._marks = [mark for mark in self._marks if mark[0] < start_step] + [(start_step, done)]

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Counts the time inside as `name`; that of a phase inside it as that one's.

        Raises:
          ValueError: no phase that is measured so.
        """
        if name not in _MEASURED:
            raise ValueError(f"phase {name!r} is unknown; choose one of {_MEASURED}")
        before = self._enter(name)
        try:
            yield
        finally:
            # Outside all of them a first step may have been done meanwhile.
            self._enter(self._outside if before not in _MEASURED else before)

    def step_done(self, step: int) -> None:
        """`step` steps of the run are done."""
        self._step, self._outside = step, "other"
        if self._phase == "start":
            self._enter("other")

    def summary(self) -> dict[str, float]:
        """Seconds by phase, "total", and "goodput": the share of steps that led to where the run is."""
        self._enter(self._phase)
        total = sum(self._seconds.values())
        return self._seconds | {"total": total, "goodput": self._seconds["step"] / total if total else 0.0}

    def write(self) -> None:
        """Puts what is known into the file, at once or not at all. A disk that does not take it is a warning, once."""
        self._enter(self._phase)
        if jax.process_index() != 0:
            return
        self._marks = [mark for mark in self._marks if mark[0] < self._step] + [(self._step, self._seconds["step"])]
        if len(self._marks) > _MARKS:
            self._marks = self._marks[:-1:2] + self._marks[-1:]
        content = {
            "format": _FORMAT, "written": self._since, "step": self._step,
            "seconds": {name: round(value, 3) for name, value in self._seconds.items()},
            "marks": [(step, round(seconds, 3)) for step, seconds in self._marks],
        }
        try:
            self._put(f"{json.dumps(content)}\n")
        except OSError as error:
            if not self._warned:
                _log.warning("warning: %s: could not be written, training goes on: %s", self._path, disk.reason(error))
            self._warned = True

    def _put(self, text: str) -> None:
        if paths.in_store(self._path):
            return paths.put(self._path, text.encode())
        unfinished = self._path.with_name(f"{self._path.name}.tmp")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(text)
        unfinished.replace(self._path)

    def _enter(self, phase: str) -> str:
        """Goes on in `phase`; the phase before."""
        moment, before = self._clock(), self._phase
        self._seconds[before] += max(0.0, moment - self._since)
        self._since, self._phase = moment, phase
        return before

    def _read(self) -> float:
        """Takes over what earlier processes wrote; when they last did."""
        try:
            content = json.loads(self._path.read_text())
            _check(content)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            told = f"{self._path}: not the times of a run ({disk.reason(error)}); move it away to go on"
            raise ValueError(told) from error
        self._seconds |= content["seconds"]
        self._marks = [(step, seconds) for step, seconds in content["marks"]]
        return content["written"]


def _check(content: Any) -> None:
    """Raises ValueError, KeyError or TypeError for anything but what `write` writes."""
    if content["format"] != _FORMAT:
        raise ValueError(f"of format {content['format']}, this version reads {_FORMAT}")
    if set(content["seconds"]) != set(PHASES):
        raise ValueError(f"of the phases {sorted(content['seconds'])}")
    if not content["marks"]:
        raise ValueError("no marks")
    numbers = [content["written"], *content["seconds"].values(), *(part for mark in content["marks"] for part in mark)]
    if not all(math.isfinite(number) for number in numbers):
        raise ValueError("a number is not finite")


def _at(marks: list[tuple[int, float]], step: int) -> float:
    """Seconds of the steps up to `step`. Beyond the last mark nothing is known: none are added."""
    for (first, before), (last, after) in zip(marks, marks[1:], strict=False):
        if step <= last:
            return before + (after - before) * max(0, step - first) / max(1, last - first)
    return marks[-1][1] if step >= marks[-1][0] else marks[0][1]


__all__ = ["PHASES", "Account", "now"]
