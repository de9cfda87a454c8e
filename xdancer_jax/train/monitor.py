"""Reads the metrics of finished steps: stops on what is not finite, keeps time, logs."""

import contextlib
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import jax

from xdancer_jax.train.writers import MetricWriter, Progress
from xdancer_jax.typing import Metrics

_FINITE = ("loss", "grad_norm", "update_norm")  # the last one, because nothing follows the last step that would show it
_TIMED_STEPS = 3  # fewer say nothing of the speed: the first ones find the loader full or empty, and caches cold


class Monitor:
    """Follows the steps of one call of train.

    Attributes:
      metrics: of the step read last.
    """

    def __init__(self, name: str, workdir: str | Path, start_step: int, steps: int, log_every: int, examples: int):
        """`examples` is the global batch size, for the speeds."""
        self.metrics: dict[str, float] = {}
        self._last_step, self._log_every, self._examples = steps, log_every, examples
        self._writer = MetricWriter(workdir, start_step)
        self._progress = Progress(name, start_step, steps, log_every)
        self._read, self._seconds = 0, 0.0
        self._lap: list[float] = []  # seconds of the steps since the last line
        self._since = time.perf_counter()

    def __enter__(self) -> "Monitor":
        return self

    def __exit__(self, *unused) -> None:
        self._progress.close()
        self._writer.close()

    def read(self, step: int, metrics: Metrics) -> None:
        """Waits for the metrics of `step`, checks and logs them.

        Raises:
          FloatingPointError: the loss, or the norm of the gradient or of the update, is not finite.
        """
        self.metrics = {name: float(value) for name, value in jax.device_get(metrics).items()}
        now = time.perf_counter()
        seconds, self._since = now - self._since, now
        self._read += 1
        if self._read > 1:  # the first one also waits for the loader to start
            self._seconds += seconds
        if not all(math.isfinite(self.metrics[name]) for name in _FINITE if name in self.metrics):
            raise FloatingPointError(f"step {step}: not finite: {self._shown()}; checkpoints of earlier steps are kept")
        # The mean since the last line: where a dispatch waits for its step, as on a CPU, the last step before a save is
        # read at once, and the one before it took the time of both.
        self._lap.append(seconds)
        mean = sum(self._lap) / len(self._lap)
        self._progress.update(step, self.metrics, mean, self._examples)
        if step % self._log_every == 0 or step == self._last_step:
            self.write(step, self.metrics | {"examples_per_second": self._examples / mean})
            self._lap.clear()

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Writes `metrics` of `step` as they are."""
        self._writer.write(step, metrics)

    def flush(self) -> None:
        """Leaves no metrics unwritten, as a checkpoint of their steps asks for."""
        self._writer.flush()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Leaves the time spent inside out of the speeds."""
        began = time.perf_counter()
        yield
        self._since += time.perf_counter() - began

    @property
    def steps_per_second(self) -> float:
        """Over the steps after the first; 0 where these are fewer than three."""
        return (self._read - 1) / self._seconds if self._read > _TIMED_STEPS else 0.0

    def _shown(self) -> str:
        return ", ".join(f"{name} {value:g}" for name, value in self.metrics.items())
