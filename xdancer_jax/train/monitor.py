"""Reads the metrics of finished steps: ends the run on bad ones, keeps time, logs."""

import contextlib
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from xdancer_jax import paths
from xdancer_jax.train import bad_steps, control, metrics
from xdancer_jax.train.hooks import Hook
from xdancer_jax.train.packing import Packed
from xdancer_jax.train.settings import Settings, Surroundings, Writer
from xdancer_jax.train.state import TrainState
from xdancer_jax.train.telemetry import Telemetry
from xdancer_jax.train.writers import MetricWriter, Progress

_FINITE = ("loss", "grad_norm", "update_norm")  # the last one, because nothing follows the last step that would show it
_TIMED_STEPS = 3  # fewer say nothing of the speed: the first ones find the loader full or empty, and caches cold


class Monitor:
    """Follows the steps of one call of train.

    Attributes:
      metrics: of the step read last.
      values: what was written of the policy's metric, by step, in this call and before it.
    """

    def __init__(
        self, name: str, workdir: str | Path, start_step: int, settings: Settings, examples: int,
        surroundings: Surroundings, telemetry: Telemetry,
    ):
        """Writes nothing before `begin`. `examples` is the global batch size, for the speeds."""
        self.metrics: dict[str, float] = {}
        self.values: dict[int, float] = {}
        self._name, self._workdir, self._start = name, paths.at(workdir), start_step
        self._settings, self._examples = settings, examples
        self._around, self._telemetry = surroundings, telemetry
        self._begun: set[str] = set()  # metrics that were written of the first step before
        self._writers: list[Writer] = []
        self._progress: Progress | None = None
        self._read, self._seconds = 0, 0.0
        self._lap: list[float] = []  # seconds of the steps since the last line

    def __enter__(self) -> "Monitor":
        return self

    def __exit__(self, *unused) -> None:
        if self._progress is not None:
            self._progress.close()
        for writer in self._writers:
            writer.close()

    def begin(self) -> None:
        """Continues the files of the work directory at the first step."""
        self._telemetry.begin()
        self._writers = [MetricWriter(self._workdir, self._start), *self._around.writers()]
        for row in metrics.read(self._workdir):
            if row["step"] <= self._start:
                self._note(row["step"], row)
            if row["step"] == self._start:
                self._begun |= row.keys()
        self._progress = Progress(self._name, self._start, self._settings.steps, self._settings.log_every)
        self._since = time.perf_counter()

    def has(self, hook: str) -> bool:
        """Whether `hook` wrote metrics of the first step before."""
        return any(name.startswith(f"{hook}/") for name in self._begun)

    def run(self, hook: Hook, step: int, state: TrainState) -> None:
        """Runs `hook` and writes what it finds."""
        with self._telemetry.phase("evaluation"):
            found = hook.run(step, state)
        self.write(step, {f"{hook.name}/{key}": value for key, value in found.items()})

    def read(self, step: int, metrics: Packed) -> frozenset[str]:
        """Waits for the metrics of `step`, checks and logs them; what the processes voted for (train.control).

        Raises:
          FloatingPointError: a bad step (train.guard) that may not be skipped.
        """
        found = metrics.read()
        votes = control.voted(found.pop("votes"))
        self.metrics = {name: float(value) for name, value in found.items()}
        now = time.perf_counter()
        seconds, self._since = now - self._since, now
        self._read += 1
        if self._read > 1:  # the first one also waits for the loader to start
            self._seconds += seconds
        self._check(step)
        # The mean since the last line: where a dispatch waits for its step, as on a CPU, the last step before a save is
        # read at once, and the one before it took the time of both.
        self._lap.append(seconds)
        mean = sum(self._lap) / len(self._lap)
        self._progress.update(step, self.metrics, mean, self._examples)
        if step % self._settings.log_every == 0 or step == self._settings.steps:
            self.write(step, self.metrics | self._telemetry.figures(self._lap, self._examples))
            self._lap.clear()
        return votes

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Writes `metrics` of `step` as they are; what is not finite is left out."""
        metrics = {name: value for name, value in metrics.items() if math.isfinite(value)}
        if metrics:
            self._note(step, metrics)
            for writer in self._writers:
                writer.write(step, metrics)

    def _check(self, step: int) -> None:
        skipped = int(self.metrics["skipped"])
        if not skipped:
            return
        clips, allowed = self._around.clips(step), self._settings.guard.skip
        path = bad_steps.add(self._workdir, step, self.metrics, clips)
        finite = all(math.isfinite(self.metrics[name]) for name in _FINITE)
        what = "the gradient norm leaps" if finite else "not finite"
        told = f"step {step}: {what}: {self._shown()}"
        if skipped > allowed:
            row = f", {skipped} bad steps in a row" if allowed else ""
            raise FloatingPointError(
                f"{told}{row}; checkpoints of earlier steps are kept, {path} names the clips of the batch"
            )
        bad_steps.warn(f"{told}; left out, {skipped} in a row of at most {allowed}; {path} names the clips")

    def _note(self, step: int, metrics: Mapping[str, float]) -> None:
        name = self._settings.policy.metric
        if name in metrics:
            self.values[step] = metrics[name]

    def flush(self) -> None:
        """Leaves no metrics unwritten, as a checkpoint of their steps asks for."""
        for writer in self._writers:
            writer.flush()

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
