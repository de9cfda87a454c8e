"""A lease of a work directory in a store, which knows no locks: an object that its holder puts anew every half minute.

The store alone decides who holds it: each put names the object that it replaces, and times are the store's own. What it
cannot do is stop a holder that hung, or could not reach it, for longer than a lease lasts: once it goes on it is told
within half a minute, by a warning, that another training has the work directory; until then both write.
"""

import contextlib
import email.utils
import json
import logging
import os
import socket
import threading
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from etils import epath

from xdancer_jax import paths
from xdancer_jax.train import disk

_log = logging.getLogger(__name__)
_RENEWED = 30.0  # seconds between two puts
_LASTS = 150.0  # seconds since the last one after which its holder counts as dead


@contextlib.contextmanager
def held(path: epath.Path) -> Iterator[None]:
    """Holds the lease object at `path` while the block runs, and removes it then.

    One whose holder has not renewed it, or was a process of this machine that is gone, is taken over, with a warning.

    Raises:
      ValueError: another process holds it.
      OSError: the store does not take it.
    """
    lease = _Lease(path)
    try:
        yield
    finally:
        lease.end()


class _Lease:
    """Taken when it is made, renewed from a thread."""

    def __init__(self, path: epath.Path):
        self._path, self._ended = path, threading.Event()
        self._content = json.dumps(_ourselves()).encode()
        before = _free(path)
        try:
            self._generation = paths.put_if(path, self._content, before)
        except FileExistsError as error:
            raise ValueError(
                f"{path.parent}: another training took it at the same moment; wait until it has ended, or give another "
                "--workdir"
            ) from error
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._thread.start()

    def _renew(self) -> None:
        while not self._ended.wait(_RENEWED):
            try:
                self._generation = paths.put_if(self._path, self._content, self._generation)
            except FileExistsError:
                _log.warning(
                    "warning: %s: this training was not heard of for %.0f s, and another one has its work directory "
                    "now; stop one of them", self._path, _LASTS,
                )
                return
            except OSError as error:  # the next one is tried all the same
                _log.warning("warning: %s: the lease could not be renewed: %s", self._path, disk.reason(error))

    def end(self) -> None:
        """Lets it go. A store that does not answer forgets it by itself."""
        self._ended.set()
        self._thread.join()
        with contextlib.suppress(OSError):
            paths.remove_if(self._path, self._generation)


def _free(path: epath.Path) -> int:
    """Generation of a lease that may be replaced, 0 where there is none. Raises ValueError for one that is held."""
    try:
        about, now = paths.described(path)
        holder = _known(paths.translated(path, path.read_bytes))
    except FileNotFoundError:
        return 0
    age = (email.utils.parsedate_to_datetime(now) - datetime.fromisoformat(about["updated"])).total_seconds()
    gone = age > _LASTS or _is_gone(holder)
    told = f"process {holder.get('process')} on {holder.get('host')}"
    if not gone:
        raise ValueError(
            f"{path.parent}: {told} is training there; wait until it has ended, or give another --workdir; if it was "
            f"killed, start again in {_LASTS - age:.0f} s"
        )
    _log.warning("warning: %s: left by %s, last renewed %.0f s ago; taken over", path, told, max(0.0, age))
    return int(about["generation"])


def _known(content: bytes) -> dict[str, Any]:
    """What a lease says; nothing where it is no lease, which then counts by its age alone."""
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _ourselves() -> dict[str, Any]:
    return {"process": os.getpid(), "host": socket.gethostname(), "processes": _processes()}


def _processes() -> str:
    """Which numbering of processes ours belongs to: containers of one host have several."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _is_gone(holder: dict[str, Any]) -> bool:
    """Whether a holder was a process of this machine that is there no more."""
    ours, number = _ourselves(), holder.get("process")
    if not isinstance(number, int) or not ours["processes"]:
        return False
    if any(holder.get(name) != ours[name] for name in ("host", "processes")):
        return False
    return not os.path.exists(f"/proc/{number}")


__all__ = ["held"]
