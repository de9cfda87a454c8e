"""How a run is trained, what it hears meanwhile, and what came of it."""

import contextlib
import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Protocol

from xdancer_jax.train.guard import Guard
from xdancer_jax.train.retention import Policy


class Writer(Protocol):
    """Where metrics go."""

    def write(self, step: int, metrics: Mapping[str, float]) -> None: ...

    def flush(self) -> None: ...

    def close(self) -> None: ...


@contextlib.contextmanager
def _deaf() -> Iterator[Callable[[], bool]]:
    yield lambda: False


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a run is trained.

    Attributes:
      seed: of initial weights and of all noise.
      steps: of the whole run.
      ema_decay: of the averaged parameters; 0 keeps none.
      log_every: steps between lines of metrics.
      accumulate: parts that a batch is worked off in.
      guard: what becomes of bad steps.
      policy: when the run is saved, and which checkpoints stay.
      watchdog_seconds: that a step may take before all stacks are written; 0: for ever.
      profile_start: first step of a profile; 0: none but those that are asked for. profile_steps: of each profile.
    """

    seed: int
    steps: int
    ema_decay: float = 0.0
    log_every: int = 50
    accumulate: int = 1
    guard: Guard = Guard()
    policy: Policy = Policy()
    watchdog_seconds: float = 0.0
    profile_start: int = 0
    profile_steps: int = 5


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What a run hears and says while it trains.

    Attributes:
      listening: while its block runs, what it gives tells whether this process was told to save and end.
      evaluated: steps whose checkpoints launch.evaluate has a result of.
      clips: from a step to what the batch of that step was cut from, to be told where it is bad.
      answered: while its block runs, whoever asks for a profile has what it is given called.
      began: when this process was started, seconds since the epoch; None: now.
      peak_flops: a second, of all devices together; None where it is not known.
      memory: bytes by name ("in_use", "peak", "limit") of the fullest device of this process.
      writers: others that metrics go to, made once the run is known to begin; as train.writers.MetricWriter.
    """

    listening: Callable[[], contextlib.AbstractContextManager[Callable[[], bool]]] = _deaf
    evaluated: Callable[[], Collection[int]] = tuple
    clips: Callable[[int], Sequence[str]] = lambda step: ()
    answered: Callable[[Callable[[], None]], contextlib.AbstractContextManager[None]] = contextlib.nullcontext
    began: float | None = None
    peak_flops: float | None = None
    memory: Callable[[], Mapping[str, float]] = dict
    writers: Callable[[], Sequence[Writer]] = tuple


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a call of train did.

    Attributes:
      start_step, step: steps done before and after.
      interrupted: whether it was told to end before the last step; `step` is saved.
      compile_seconds: tracing and compiling the training step, which nothing else includes.
      steps_per_second, examples_per_second: over the call's steps but the first, hooks and checkpoints left
        out; 0 where these are fewer than three.
      metrics: of the last step; empty if there was none to do.
    """

    start_step: int
    step: int
    interrupted: bool = False
    compile_seconds: float = 0.0
    steps_per_second: float = 0.0
    examples_per_second: float = 0.0
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)


__all__ = ["Settings", "Summary", "Surroundings", "Writer"]
