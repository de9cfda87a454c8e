"""The progress bar of the commands that generate, and what else may stand in its place."""

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager

from tqdm import tqdm

Progress = Callable[[int, int], None]  # (done, total)
# (name, unit) -> what is entered while a phase runs. What its callback raises ends the work that calls it.
Shows = Callable[[str, str], AbstractContextManager[Progress]]


class Bar:
    """A progress bar as the callback(done, total) that the stages call."""

    def __init__(self, name: str, unit: str, quiet: bool = False):
        self._make = functools.partial(tqdm, desc=name, unit=unit, disable=quiet)
        self._bar = None

    def __enter__(self) -> Progress:
        return self._update

    def __exit__(self, *unused) -> None:
        if self._bar is not None:
            self._bar.close()

    def _update(self, done: int, total: int) -> None:
        if self._bar is None:
            self._bar = self._make(total=total)
        self._bar.update(done - self._bar.n)
