"""Seconds by function of a program that is not changed for it: functions are replaced by ones that keep time."""

import contextlib
import functools
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from unittest import mock


class Call(NamedTuple):
    """began: by the clock. seconds: all of it. own: without what other measured functions took inside. processor: of
    `own`, what this thread was computing, which other programs do not lengthen."""

    began: float
    seconds: float
    own: float
    processor: float


class Spans:
    """Calls by name, in order. Each thread has a stack of its own."""

    def __init__(
        self, clock: Callable[[], float] = time.perf_counter, processor: Callable[[], float] = time.thread_time
    ):
        self.calls: dict[str, list[Call]] = defaultdict(list)
        self._clock, self._processor, self._inside = clock, processor, threading.local()

    def timed(self, name: str, function: Callable) -> Callable:
        """`function`, whose calls are kept as `name`."""

        @functools.wraps(function, updated=())
        def measured(*args: Any, **options: Any) -> Any:
            with self.span(name):
                return function(*args, **options)

        return measured

    @contextlib.contextmanager
    def span(self, name: str) -> Iterator[None]:
        """Counts what is inside as a call of `name`."""
        stack = self._inside.__dict__.setdefault("stack", [])
        stack.append((0.0, 0.0))  # of measured calls inside
        began, computing = self._clock(), self._processor()
        try:
            yield
        finally:
            seconds, computed = self._clock() - began, self._processor() - computing
            inside, within = stack.pop()
            self.calls[name].append(Call(began, seconds, seconds - inside, computed - within))
            if stack:
                stack[-1] = stack[-1][0] + seconds, stack[-1][1] + computed

    @contextlib.contextmanager
    def around(self, **functions: tuple[Any, str]) -> Iterator[None]:
        """name=(owner, attribute): inside, calls of these are kept as `name`."""
        with contextlib.ExitStack() as stack:
            for name, (owner, attribute) in functions.items():
                found = self.timed(name, getattr(owner, attribute))
                stack.enter_context(mock.patch.object(owner, attribute, found))
            yield

    def own(self, name: str) -> list[float]:
        """Seconds of each call of `name` without measured ones inside."""
        return [call.own for call in self.calls[name]]

    def median(self, name: str) -> float:
        """Of `own`; 0 for none."""
        return statistics.median(self.own(name) or [0.0])


__all__ = ["Call", "Spans"]
