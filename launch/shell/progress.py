"""The progress bar of the commands that generate."""

import functools
from collections.abc import Callable

from tqdm import tqdm


class Bar:
    """A progress bar as the callback(done, total) that the stages call."""

    def __init__(self, name: str, unit: str, quiet: bool = False):
        self._make = functools.partial(tqdm, desc=name, unit=unit, disable=quiet)
        self._bar = None

    def __enter__(self) -> Callable[[int, int], None]:
        return self._update

    def __exit__(self, *unused) -> None:
        if self._bar is not None:
            self._bar.close()

    def _update(self, done: int, total: int) -> None:
        if self._bar is None:
            self._bar = self._make(total=total)
        self._bar.update(done - self._bar.n)
