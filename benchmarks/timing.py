"""Medians of runs in turn, and the bandwidth of this machine's memory."""

import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import torch


def medians(repeats: int, *runs: Callable[[], object]) -> list[float]:
    """Seconds of each run, the median of `repeats` turns after one that is not counted. JAX's results are awaited."""
    seconds = [[] for _ in runs]
    for turn in range(repeats + 1):
        for run, found in zip(runs, seconds, strict=True):
            began = time.perf_counter()
            jax.block_until_ready(run())
            if turn:
                found.append(time.perf_counter() - began)
    return [statistics.median(found) for found in seconds]


def bandwidth(repeats: int) -> float:
    """Bytes a second that a sum over 400 MB reads on all cores: the better of torch's and XLA's."""
    ours, theirs = jnp.ones(100_000_000), torch.ones(100_000_000)
    total = jax.jit(jnp.sum)
    return ours.nbytes / min(medians(repeats, lambda: total(ours), lambda: theirs.sum()))


__all__ = ["bandwidth", "medians"]
