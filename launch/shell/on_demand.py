"""Signals that ask a command that runs: SIGUSR1 for a profile, SIGUSR2 for its stacks."""

import faulthandler
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def answered(profile: Callable[[], None]) -> Iterator[None]:
    """While the block runs SIGUSR1 calls `profile`, and SIGUSR2 writes all Python stacks of this process to stderr.

    A profile is asked for once Python's main thread leaves what it calls in C; the stacks come at once, whatever hangs.
    Before and after the block either signal ends a process, as is its default. In other threads nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number: int, frame: FrameType | None) -> None:
        profile()

    before = signal.signal(signal.SIGUSR1, ask)
    faulthandler.register(signal.SIGUSR2, file=sys.__stderr__)
    try:
        yield
    finally:
        faulthandler.unregister(signal.SIGUSR2)
        signal.signal(signal.SIGUSR1, before)


__all__ = ["answered"]
