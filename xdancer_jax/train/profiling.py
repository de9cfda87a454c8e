"""Profiles of a few steps, by number or on demand: traces for TensorBoard's profiler (xprof) and Perfetto."""

import logging
from pathlib import Path

import jax

from xdancer_jax.train import disk
from xdancer_jax.typing import PyTree

_log = logging.getLogger(__name__)


class Profiler:
    """Traces windows of whole steps into FOLDER/step-<first>-process-<i>; a context, which ends an open window.

    A window begins once what was under way before it has ended, and ends with its last step, so the pipeline of steps
    stands still at both. A profile that cannot be made is a warning. A request while a window is open is part of it.
    """

    def __init__(self, folder: str | Path, start: int, steps: int):
        """start: first step of the window, 1 the first of a run, 0 none. steps: of any window, those on demand too."""
        self._folder, self._start, self._steps = folder, start, steps
        self._asked = False
        self._last = 0  # step of the open window; 0 for no window

    def __enter__(self) -> "Profiler":
        return self

    def __exit__(self, *unused) -> None:
        self._stop()

    def request(self) -> None:
        """Asks for a window from the next step on. May be called at any moment, as signal handlers are."""
        self._asked = True

    def before(self, step: int, pending: PyTree) -> None:
        """Before `step` is dispatched; `pending`: arrays that the steps before it make, its state for instance."""
        if self._last or not (self._asked or step == self._start):
            return
        self._asked = False
        jax.block_until_ready(pending)
        path = f"{self._folder}/step-{step}-process-{jax.process_index()}"
        try:
            jax.profiler.start_trace(path)
        except (OSError, RuntimeError) as error:
            _log.warning("warning: %s: no profile, training goes on: %s", path, disk.reason(error))
            return
        self._last = step + self._steps - 1

    def after(self, step: int, pending: PyTree) -> None:
        """After `step` was dispatched; `pending`: arrays that it makes."""
        if self._last and step >= self._last:
            jax.block_until_ready(pending)
            self._stop()

    def _stop(self) -> None:
        if not self._last:
            return
        self._last, self._asked = 0, False
        try:
            jax.profiler.stop_trace()
        except (OSError, RuntimeError) as error:
            _log.warning("warning: %s: the profile is lost, training goes on: %s", self._folder, disk.reason(error))
        else:
            _log.info("a profile is in %s", self._folder)


__all__ = ["Profiler"]
