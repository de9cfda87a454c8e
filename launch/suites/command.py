"""What the flags of launch.evaluate ask for, held against one another."""

from collections.abc import Callable
from typing import Any

from launch.figures import metric_flags
from launch.figures.data import Data
from launch.suites import outside, running


def asked(given: Any) -> Callable[[Data], None] | None:
    """The suites that are to run, None without --suite. Raises ValueError, of one line, for flags that do not go
    together and for those that are missing. given: absl's table."""
    suite, (folder, truth) = metric_flags.suite(), metric_flags.from_videos()
    wrong = [name for name in (("step", "out") if given.watch else ("watch_minutes",)) if given[name].value is not None]
    if wrong:
        raise ValueError(f"--{wrong[0]}: {'not with' if given.watch else 'only with'} --watch")
    for name in ("out",) if folder else ("run", "data"):
        if given[name].value is None:
            raise ValueError(f"--{name} is missing")
    _check_step(given.step, suite)
    if suite is None:
        return None
    if given.watch:
        raise ValueError("--suite: not with --watch; --step=all takes every checkpoint that is there")
    options = (suite, metric_flags.weights(given.seed), metric_flags.lpips_net(), metric_flags.protocols())
    if folder is None:
        if given.out is not None:
            raise ValueError("--out: with --suite only for --from_videos; a run's results lie in RUN/evaluation")
        return lambda data: running.run(given.run, data, given.step, *options)
    for name in ("run", "step"):
        if given[name].value is not None:
            raise ValueError(f"--{name}: not with --from_videos")
    return lambda data: outside.run(
        outside.Outside(folder, truth, data if data.directory else None), given.out, *options
    )


def _check_step(step: str | None, suite: str | None) -> None:
    if step is None or (step == "all" and suite is not None):
        return
    if step == "all":
        raise ValueError("--step=all: only with --suite; without it --watch evaluates every checkpoint")
    if not (step.isdecimal() and int(step) >= 1):
        raise ValueError(f"--step={step}: give a number from 1 on, or all (with --suite)")


__all__ = ["asked"]
