"""A save under way: room for it, whoever waits for it, what it leaves when it fails."""

import contextlib
import logging
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any

import jax
from etils import epath

from xdancer_jax import paths
from xdancer_jax.train import disk, together

_log = logging.getLogger(__name__)
_UNFINISHED = "orbax-checkpoint-tmp"  # in the names of folders that Orbax has not finished
_FINISHED = "commit_success.txt"  # in those of a store that it has


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Signals that come inside are handled at its end: Orbax stopped half-way leaves threads that complain for long.

    For seconds at most: a second signal is handled at once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handlers = {number: handler for number, handler in handlers.items() if callable(handler)}
    came = []

    def keep(number: int, frame: FrameType | None) -> None:
        if came:
            handlers[number](number, frame)
        came.append(number)

    for number in handlers:
        signal.signal(number, keep)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if came:
            handlers[came[0]](came[0], None)


def check_disk(folder: epath.Path, leaves: Mapping[str, Any]) -> None:
    """Raises OSError, in every process alike, where process 0 finds no room for `leaves` in `folder`."""
    problem = ""
    if jax.process_index() == 0:
        try:
            disk.check(folder, sum(leaf.size * leaf.dtype.itemsize for leaf in leaves.values()))
        except OSError as error:
            problem = disk.reason(error)
    if together.any_of(bool(problem)):
        problem = problem or "process 0 says why"
    if problem:
        raise OSError(problem)


def share(leaves: Mapping[str, Any]) -> int:
    """Bytes of a thirtieth of `leaves`, or of the largest where that is more."""
    sizes = [leaf.size * leaf.dtype.itemsize for leaf in leaves.values()]
    return max(*sizes, sum(sizes) // 30, 2**24) + 1


def finished(entry: epath.Path) -> bool:
    """Whether a folder of Orbax's is whole. It takes its name last; in a store, where it has it from the first, the
    object that says so is the last."""
    return (entry / _FINISHED).exists() if paths.in_store(entry) else _UNFINISHED not in entry.name


def remove_unfinished(folder: epath.Path) -> None:
    """Removes what is left in `folder` of writes that nobody goes on with."""
    if jax.process_index() != 0 or not folder.is_dir():
        return
    for entry in list(folder.iterdir()):
        if finished(entry):
            continue
        if not paths.in_store(entry):
            shutil.rmtree(entry, ignore_errors=True)
            continue
        with contextlib.suppress(OSError):  # what stays is looked over, and removed the next time
            paths.translated(entry, entry.rmtree)


def warn(error: OSError) -> None:
    _log.warning("warning: %s; training goes on, and the next save tries again", error)


class Saving:
    """A save under way, watched from a thread, so that a failure is told when it happens."""

    def __init__(self, response: Any, naming: Callable[[], contextlib.AbstractContextManager], quiet: bool):
        """`response` of Orbax, which raises inside `naming`. quiet: nothing is told but to whoever waits."""
        self._error: OSError | None = None
        self._response, self._naming, self._quiet = response, naming, quiet
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        try:
            with self._naming():
                self._response.result()
        except OSError as error:
            self._error = error
            if not self._quiet:
                warn(error)

    def wait(self, quiet: bool) -> OSError | None:
        """Its failure, once it has ended; `quiet` as above, from now on."""
        self._quiet = self._quiet or quiet
        self._thread.join()
        return self._error


__all__ = ["Saving", "check_disk", "finished", "remove_unfinished", "share", "undisturbed", "warn"]
