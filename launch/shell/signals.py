"""Ctrl-C and SIGTERM: one line and the exit status that shells expect, with everything closed on the way.

Where work can be saved first, as in training, the first signal is only noted (`deferred`), and the command ends with
RESUMABLE once it is: no success, so that no scheduler takes the run for a finished one.
"""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

RESUMABLE = 75  # exit status: EX_TEMPFAIL of sysexits.h, "try again"
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_came: list[int] = []  # to this process, which is about to end
_deferring: list[bool] = []  # not empty: whoever runs now looks at `_came` by itself
_statuses: list[int] = []  # that the process ends with, in place of that of its signal


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
        if not _deferring:
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


@contextmanager
def deferred() -> Iterator[Callable[[], bool]]:
    """Inside, the first signal raises nothing: what is given tells whether one came. The next one leaves at once."""
    known = len(_came)
    _deferring.append(True)
    try:
        yield lambda: len(_came) > known
    finally:
        _deferring.pop()


def leave_resumable(text: str) -> NoReturn:
    """Ends the command with RESUMABLE after a line on stderr."""
    _statuses.append(RESUMABLE)
    print(f"interrupted: {text}", file=sys.stderr)
    sys.exit(RESUMABLE)


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
        os._exit(_statuses[0] if _statuses else 128 + _came[0])


def _leave(number: int) -> None:
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, b"interrupted\n")
    os._exit(128 + number)


__all__ = ["RESUMABLE", "Stopped", "deferred", "handled", "leave_resumable", "line", "quick", "status"]
