"""What a run tells of itself beside its losses: speed, memory, where its time goes; what it does when it is asked, and
when a step does not end."""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from xdancer_jax.train.accounting import Account
from xdancer_jax.train.profiling import Profiler
from xdancer_jax.train.settings import Settings, Surroundings
from xdancer_jax.train.state import TrainState
from xdancer_jax.train.watchdog import Watchdog
from xdancer_jax.typing import Metrics

_SECONDS = 1.0  # between two writes of the account, a file that is written whole: a millisecond, or a store's object


class Telemetry:
    """Of one call of train; a context.

    Attributes:
      model_flops: of a step over all devices; None where no peak is known to hold it against.
    """

    def __init__(self, workdir: Path, start: int, settings: Settings, surroundings: Surroundings):
        self.model_flops: float | None = None
        self._around = surroundings
        self._account = Account(workdir / "goodput.json", start, surroundings.began)
        self._watchdog = Watchdog(settings.watchdog_seconds, workdir / "stacks")
        self._profiler = Profiler(workdir / "profile", settings.profile_start, settings.profile_steps)
        self._waited, self._begun, self._stack = 0.0, False, contextlib.ExitStack()
        self._written = -_SECONDS

    def __enter__(self) -> "Telemetry":
        for each in (self._watchdog, self._profiler, self._around.answered(self._profiler.request)):
            self._stack.enter_context(each)
        return self

    def __exit__(self, *error) -> None:
        if self._begun:
            self._account.write()
        self._stack.__exit__(*error)

    def begin(self) -> None:
        """Nothing is written before the run is known to begin."""
        self._begun = True

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Counts the time inside as `name` (train.accounting); only steps and their data must end soon."""
        stepping = name in ("data_wait", "step")
        with contextlib.nullcontext() if stepping else self._watchdog.paused(), self._account.phase(name):
            yield

    def before(self, step: int, state: TrainState) -> None:
        """Before `step` is dispatched."""
        self._profiler.before(step, state)

    def after(self, step: int, metrics: Metrics) -> None:
        """After `step` was dispatched, and the one before it was read."""
        self._profiler.after(step, metrics)
        self._watchdog.beat(step)
        self._account.step_done(step)

    def figures(self, seconds: Sequence[float], examples: int) -> dict[str, float]:
        """Of steps that took `seconds` each, over batches of `examples`; writes the account, once a second at most."""
        mean = float(np.mean(seconds))
        summary = self._account.summary()
        waited, self._waited = summary["data_wait"] - self._waited, summary["data_wait"]
        found = {
            "examples_per_second": examples / mean, "time/step_seconds": mean,
            "time/step_deviation": float(np.std(seconds)), "time/slowest_step": max(seconds),
            "time/data_wait_share": waited / max(sum(seconds), 1e-9), "time/goodput": summary["goodput"],
        }
        if self.model_flops and self._around.peak_flops:
            found["time/mfu"] = self.model_flops / mean / self._around.peak_flops
        memory: Mapping[str, float] = self._around.memory()
        if time.monotonic() - self._written >= _SECONDS:
            self._account.write()
            self._written = time.monotonic()
        return found | {f"memory/{name}_gigabytes": size / 1e9 for name, size in memory.items()}


__all__ = ["Telemetry"]
