"""The progress of a sweep on this machine."""

import sys
import time
from collections.abc import Sequence

from tqdm import tqdm

from launch.sweeps import state
from launch.sweeps.local import Attempt

_SHOWN_EVERY = 2.0  # seconds between two looks at the steps of what is under way


class Bar:
    """The progress of a sweep: a bar of its runs with what is under way, and lines above it."""

    def __init__(self, count: int, out: str):
        self._out, self._count, self._next = out, count, 0.0

    def __enter__(self) -> "Bar":
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
