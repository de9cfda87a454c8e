"""What the processes of a run find out together. Each function must be called by all of them, at the same place."""

import jax
import numpy as np
from jax.experimental import multihost_utils


def any_of(flag: bool) -> bool:
    """Whether `flag` is set on any process."""
    if jax.process_count() == 1:
        return flag
    return bool(np.any(multihost_utils.process_allgather(np.uint8(flag))))


def first(flags: np.ndarray) -> np.ndarray:
    """`flags` (bool) of process 0, on all; of the same shape on each."""
    if jax.process_count() == 1:
        return flags
    return np.asarray(multihost_utils.broadcast_one_to_all(flags.astype(np.uint8))).astype(bool)


def preempted(step: int) -> bool:
    """Whether the cluster has told any process that it will be taken away, as of `step`: the same on all. JAX's runtime
    listens for the notice, SIGTERM, as soon as processes have joined."""
    return jax.process_count() > 1 and multihost_utils.reached_preemption_sync_point(step)


__all__ = ["any_of", "first", "preempted"]
