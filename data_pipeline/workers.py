"""Worker processes: Ctrl-C and SIGTERM are their parent's affair, and they end with it, however it ends."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing import resource_tracker


def follow_parent(*unused: int) -> None:
    """To be called first in a worker: it ends when its parent has, killed or not."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)  # nobody is left to hear of it


@contextlib.contextmanager
def starting() -> Iterator[None]:
    """Processes started inside, by threads made inside as well, see neither Ctrl-C nor SIGTERM, which schedulers
    send to all processes of a job: their parent may need batches to come to an end. Both are blocked before they begin.

    Not where signals cannot be blocked (Windows).
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    _start_tracker()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_tracker() -> None:
    """Before anything is blocked: where it is started inside, it unblocks the signals.

    It removes the semaphores and the memory that a stopped process leaves, of which users need no list.
    """
    before = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, (before, "ignore:resource_tracker")))
    try:
        resource_tracker.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = before


__all__ = ["follow_parent", "starting"]
