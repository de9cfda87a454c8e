"""One training a work directory at a time: a second one would remove the first one's unfinished save.

Whoever else must be alone there, evaluating its checkpoints for instance, holds a lock of another name.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import jax

from xdancer_jax import paths
from xdancer_jax.train import flock, lease, together

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
                stack.enter_context(lease.held(path) if paths.in_store(path) else flock.alone(Path(path), told))
            except (ValueError, OSError) as error:
                refused = error
        if together.any_of(refused is not None) and refused is None:
            raise ValueError(f"{path}: process 0 could not take it and says why")
        if refused is not None:
            raise refused
        yield


__all__ = ["held"]
