"""Medians of runs in turn, and the bandwidth of this machine's memory."""

import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp


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


def bandwidth(repeats: int, count: int = 100_000_000) -> float:
    """Bytes a second that XLA moves over `count` float32: the better of a sum and an addition (read, written)."""
    ones, total, add = jnp.ones(count), jax.jit(jnp.sum), jax.jit(lambda x: x + 1)
    read, both = medians(repeats, lambda: total(ones), lambda: add(ones))
    return max(ones.nbytes / read, 2 * ones.nbytes / both)


__all__ = ["bandwidth", "medians"]
