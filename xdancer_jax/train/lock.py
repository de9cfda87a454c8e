"""One training a work directory at a time: a second one would remove the first one's unfinished save.

Whoever else must be alone there, evaluating its checkpoints for instance, holds a lock of another name.
"""

import contextlib
import fcntl
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import jax

from xdancer_jax import paths
from xdancer_jax.train import lease, together

_log = logging.getLogger(__name__)
_TRAINING = "is training there; wait until it has ended, or give another --workdir"


@contextlib.contextmanager
def held(workdir: str | os.PathLike, name: str = "lock", told: str = _TRAINING) -> Iterator[None]:
    """Keeps other trainings out of `workdir`, made if need be, while the block runs; every process must enter it.

    Process 0 holds an flock on WORKDIR/`name` for its whole group; who is refused is `told` what the holder does. The
    kernel lets it go however the process ends. On NFS it holds between hosts as well (Linux 2.6.12 and newer); on a
    file system without locks a warning says that nothing is held. A work directory that was empty before and after is
    removed again. In a store it is a lease (train.lease) in place of a lock.

    Raises:
      ValueError: another one holds it, on all processes of the group.
      OSError: `workdir` cannot be made or written.
    """
    path = paths.at(workdir) / name
    paths.check_reachable(path)
    with contextlib.ExitStack() as stack:
        refused = None
        if jax.process_index() == 0:
            try:
                stack.enter_context(lease.held(path) if paths.in_store(path) else alone(Path(path), told))
            except (ValueError, OSError) as error:
                refused = error
        if together.any_of(refused is not None) and refused is None:
            raise ValueError(f"{path}: process 0 could not take it and says why")
        if refused is not None:
            raise refused
        yield


@contextlib.contextmanager
def alone(path: Path, told: str) -> Iterator[None]:
    """`held` by this process for itself: the lock of the file `path`."""
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


__all__ = ["alone", "held"]
