"""Lengths that are filled up, so that what is compiled for one serves all near it."""

import numpy as np


def bucket(length: int) -> int:
    """The power of two from `length` on."""
    return 1 << max(0, length - 1).bit_length()


def filled(rows: np.ndarray, hold: bool = False) -> np.ndarray:
    """(B, F, ...) with zeros behind, or the last frame held, up to a bucket of frames."""
    missing = [(0, 0), (0, bucket(rows.shape[1]) - rows.shape[1]), *[(0, 0)] * (rows.ndim - 2)]
    return np.pad(rows, missing, mode="edge") if hold else np.pad(rows, missing)


__all__ = ["bucket", "filled"]
