"""One process at a time has a file, and what lies beside it. Nothing here needs JAX."""

import contextlib
import fcntl
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def alone(path: Path, told: str) -> Iterator[None]:
    """Keeps other processes out while the block runs: an flock on the file `path`, whose folder is made if need be.

    The kernel lets it go however the process ends. On NFS it holds between hosts as well (Linux 2.6.12 and newer); on a
    file system without locks a warning says that nothing is held. Folders that it made and that are empty are removed.

    Raises:
      ValueError: another process holds it; who that is, and `told`.
      OSError: the folder cannot be made or written.
    """
    made = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        number = _locked(path, told)
    except OSError as error:
        raise OSError(error.errno, f"cannot write into the work directory: {error.strerror}", str(path)) from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # the disk may take no writing any more; the lock goes with its descriptor
            path.unlink()
        os.close(number)
        with contextlib.suppress(OSError):  # not empty: what was trained stays
            for folder in made:
                folder.rmdir()


def is_held(path: Path) -> bool:
    """Whether any process has the lock of the file `path` now."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _locked(path: Path, told: str) -> int:
    """A descriptor of `path` that holds its lock."""
    while True:
        number = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(number, 200, 0).decode(errors="replace") or "another process"
            os.close(number)
            raise ValueError(f"{path.parent}: {holder} {told}") from error
        except OSError as error:
            _log.warning("%s: this file system has no locks (%s); start no second one here", path, error.strerror)
        # Whoever held it may have removed the file between our two calls.
        if path.exists() and os.path.samestat(os.fstat(number), path.stat()):
            os.truncate(number, 0)
            os.write(number, f"process {os.getpid()} on {socket.gethostname()}".encode())
            return number
        os.close(number)


__all__ = ["alone", "is_held"]
