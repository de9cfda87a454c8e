"""Writes all Python stacks of this process when no step has ended for long. It ends nothing."""

import contextlib
import datetime
import faulthandler
import logging
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jax

from xdancer_jax.train import disk

_log = logging.getLogger(__name__)
_LOOKS = 10  # at the clock, within the seconds that a step may take


class Watchdog:
    """Looks from a thread of its own, in every process for itself; a context.

    A stall is told once: a warning that names WORKDIR/stacks/process-<i>-step-<n>.txt, n the last step that ended. What
    holds Python's lock holds this thread, too; JAX lets it go wherever it waits for a device or for other processes.
    """

    def __init__(self, seconds: float, folder: Path, clock: Callable[[], float] = time.monotonic):
        """seconds: that a step may take, its data included; 0 watches nothing. folder: of pathlib or epath."""
        self._seconds, self._folder, self._clock = seconds, folder, clock
        self._step, self._last, self._told = 0, None, None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> "Watchdog":
        if self._seconds > 0:
            self._thread.start()
        return self

    def __exit__(self, *unused) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def beat(self, step: int) -> None:
        """`step` has ended, and the next is under way. Nothing is watched before the first call."""
        self._step, self._last = step, self._clock()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """What is inside may take as long as it likes: evaluation, a save, compiling."""
        watched, self._last = self._last, None
        yield
        if watched is not None:
            self._last = self._clock()

    def check(self) -> Path | None:
        """Writes the stacks if a step takes too long and it was not told yet. Their file."""
        last = self._last
        if last is None or last == self._told or self._seconds <= 0 or self._clock() - last <= self._seconds:
            return None
        self._told = last
        path = self._folder / f"process-{jax.process_index()}-step-{self._step}.txt"
        told = f"no step has ended for {self._clock() - last:.0f} s, after step {self._step}"
        moment = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        text = f"{moment} {socket.gethostname()}: {told}\n\n{stacks()}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        except OSError as error:
            _log.warning("warning: %s; %s could not be written: %s\n%s", told, path, disk.reason(error), text)
            return None
        _log.warning("warning: %s; training goes on waiting; the stacks of all threads are in %s", told, path)
        return path

    def _watch(self) -> None:
        while not self._ended.wait(self._seconds / _LOOKS):
            self.check()


def stacks() -> str:
    """Of all Python threads, the latest call first."""
    with tempfile.TemporaryFile("w+") as file:
        faulthandler.dump_traceback(file, all_threads=True)
        file.seek(0)
        return file.read()


__all__ = ["Watchdog", "stacks"]
