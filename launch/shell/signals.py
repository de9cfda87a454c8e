"""Ctrl-C and SIGTERM: one line and the exit status that shells expect, with everything closed on the way."""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_came: list[int] = []  # to this process, which is about to end


class Stopped(KeyboardInterrupt):
    """A signal came. Whoever knows what it leaves behind may say so in the error's text."""

    def __init__(self, number: int):
        super().__init__()
        self.number = number


@contextmanager
def handled() -> Iterator[None]:
    """The first signal raises Stopped inside; while that ends, another one leaves at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    came: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if came:
            _leave(number)
        came.append(number)
        _came.append(number)
        raise Stopped(number)

    for number in _SIGNALS:
        if before[number] != signal.SIG_IGN:  # nohup, and shells' background jobs
            signal.signal(number, stop)
    try:
        yield
    finally:
        if not came:  # else the interpreter is about to end, which a second one must not turn into a traceback
            for number, handler in before.items():
                signal.signal(number, handler)


def status(error: KeyboardInterrupt) -> int:
    """Exit status: 130 for Ctrl-C, 143 for SIGTERM."""
    return 128 + (error.number if isinstance(error, Stopped) else signal.SIGINT)


def line(error: KeyboardInterrupt) -> str:
    """What stderr is told."""
    text = str(error)
    return f"interrupted: {text}" if text else "interrupted"


def quick() -> None:
    """While a command's modules are imported nothing is to be closed: a signal ends it with its line.

    After a signal later on, the interpreter's own end is left out: threads that still compile crash in it.
    """
    atexit.register(_end)  # the first to be registered is the last to run
    for number in _SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda number, frame: _leave(number))


def _end() -> None:
    if _came:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(128 + _came[0])


def _leave(number: int) -> None:
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, b"interrupted\n")
    os._exit(128 + number)


__all__ = ["Stopped", "handled", "line", "quick", "status"]
