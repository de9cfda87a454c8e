"""What decoding does otherwise on a CPU, which reads no faster than it computes; a reader of the model may pass it by.

The key-value cache is kept three times, its first quarter and its first half apart, and a slot reads the shortest
copy that holds all slots so far: it does not read slots that are not there yet, and XLA does not copy what it reads
(with one copy a frame took four to five times as long at GPT-2 small's size). Rows of a batch are multiplied one by
one, so that a dance is bit for bit the same in any batch.
"""

from collections.abc import Callable, Sequence

import jax

from xdancer_jax.typing import Array, Float, Int

_SHARES = (0.25, 0.5)


def lengths(length: int) -> tuple[int, ...]:
    """Slots of each copy of a cache of `length` slots, the last one whole."""
    return (*(max(1, int(share * length)) for share in _SHARES), length)


def of_shortest(
    attend: Callable[[Array, Array, Array], Array], query: Array, copies: Sequence[tuple[Array, Array]],
    position: Int[Array, ""], slots_axis: int,
) -> Array:
    """attend(query, keys, values) with the shortest of `copies` that holds slot `position`."""
    index = sum((position >= keys.shape[slots_axis]).astype("int32") for keys, _ in copies[:-1])
    # Each branch is given all copies, for XLA passes them on as they are.
    branches = [lambda query, copies, i=i: attend(query, *copies[i]) for i in range(len(copies))]
    return jax.lax.switch(index, branches, query, copies)


def row_by_row(x: Float[Array, "B C"], kernel: Float[Array, "O C"]) -> Float[Array, "B O"]:
    """x kernel^T."""
    return jax.lax.map(lambda row: kernel @ row, x)


__all__ = ["lengths", "of_shortest", "row_by_row"]
