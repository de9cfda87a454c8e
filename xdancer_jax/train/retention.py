"""When a run is saved, and which of its checkpoints stay."""

import dataclasses
import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence

Keep = Callable[[Sequence[int]], Collection[int]]  # from the steps of all checkpoints to those that stay


@dataclasses.dataclass(frozen=True)
class Policy:
    """A checkpoint stays as long as any of these wants it.

    Attributes:
      every: steps between saves; 0: none but the last step's, and those of `minutes` and of interruptions.
      minutes: between saves as well; 0: none.
      newest: that many of the newest stay.
      every_kept: those of every so many steps stay for ever; 0: none.
      best: that many of the best by `metric` stay, as it was written at their steps; 0: none.
      metric: its name in metrics.jsonl.
      larger_is_better: of `metric`.
      wait_for_evaluation: those stay that have no result of launch.evaluate yet.
    """

    every: int = 1000
    minutes: float = 0.0
    newest: int = 3
    every_kept: int = 0
    best: int = 0
    metric: str = "eval/loss"
    larger_is_better: bool = False
    wait_for_evaluation: bool = False

    def due(self, step: int) -> bool:
        """Whether a save is due after `step` whatever the clock says."""
        return self.every > 0 and step % self.every == 0

    def kept(self, steps: Sequence[int], values: Mapping[int, float], evaluated: Collection[int]) -> set[int]:
        """The steps that stay. values: the metric by step, as far as it is known, at the newest perhaps not yet;
        evaluated: steps that launch.evaluate has a result of."""
        steps = sorted(steps)
        found = set(steps[-self.newest :])
        if self.every_kept:
            found |= {step for step in steps if step % self.every_kept == 0}
        if self.best:
            known = [step for step in steps if math.isfinite(values.get(step, math.nan))]
            sign = -1 if self.larger_is_better else 1
            found |= set(sorted(known, key=lambda step: (sign * values[step], -step))[: self.best])
        if self.wait_for_evaluation:
            found |= set(steps) - set(evaluated)
        return found


def newest(count: int) -> Keep:
    """Keeps the `count` newest."""
    return lambda steps: sorted(steps)[-count:]


class Clock:
    """Tells when `minutes` have passed since the last save."""

    def __init__(self, minutes: float, now: Callable[[], float] = time.monotonic):
        self._seconds, self._now = 60 * minutes, now
        self.reset()

    def reset(self) -> None:
        """A save has begun."""
        self._since = self._now()

    @property
    def due(self) -> bool:
        return 0 < self._seconds <= self._now() - self._since


__all__ = ["Clock", "Keep", "Policy", "newest"]
