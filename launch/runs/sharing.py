"""Work that several processes share, each on its own devices, and whose results all of them have."""

import io
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from launch.runs import agreement

T = TypeVar("T")
Arrays = tuple[np.ndarray, ...]


def mine(items: Sequence[T]) -> list[T]:
    """This process's share of `items`: every item is one process's."""
    return list(items[jax.process_index() :: jax.process_count()])


def divided(items: Sequence[T], make: Callable[[T], Arrays]) -> list[Arrays]:
    """`make` of every item, in their order; each is made by one process, and all processes have all. Every process must
    call it with the same items.

    Raises ValueError on all where `make` raises ValueError or OSError on one (agreement.everywhere).
    """
    count, found = jax.process_count(), []
    for first in range(0, len(items), count):  # an item of each, which frees its memory before the next
        own = agreement.everywhere(lambda batch=items[first : first + count]: [make(item) for item in mine(batch)])
        found += own if count == 1 else _gather(own)
    return found


def rows(count: int, make: Callable[[Sequence[int]], Arrays]) -> list[np.ndarray]:
    """An array of each of `count` rows, in their order: `make` gives those of the rows of one process, as one batch."""
    shares = [range(count)[number :: jax.process_count()] for number in range(jax.process_count())]
    found = [iter(arrays) for arrays in divided(shares, make)]
    return [next(found[number % len(found)]) for number in range(count)]


def first(make: Callable[[], Any]) -> Any:
    """What `make` returns on process 0 (JSON-able), on all; the others do not call it. Raises as `divided` does."""
    own = agreement.everywhere(lambda: make() if jax.process_index() == 0 else None)
    return own if jax.process_count() == 1 else agreement.gather(own)[0]


def of_first(arrays: T) -> T:
    """A tree of arrays as process 0 has it, on all: what each has made for itself may differ in its rounding."""
    if jax.process_count() == 1:
        return arrays
    return jax.tree.map(np.asarray, multihost_utils.broadcast_one_to_all(arrays))


def _gather(own: Sequence[Arrays]) -> list[Arrays]:
    """What each process has of items, one or none, in the order of the processes."""
    file = io.BytesIO()
    for arrays in own:
        np.savez(file, *arrays)
    data = np.frombuffer(file.getvalue(), np.uint8)
    sizes = np.ravel(multihost_utils.process_allgather(np.int64(len(data))))
    rows = multihost_utils.process_allgather(np.pad(data, (0, int(sizes.max()) - len(data))))
    return [_arrays(row[:size].tobytes()) for row, size in zip(rows, sizes, strict=True) if size]


def _arrays(data: bytes) -> Arrays:
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return tuple(file[f"arr_{number}"] for number in range(len(file.files)))


__all__ = ["divided", "first", "mine", "of_first", "rows"]
