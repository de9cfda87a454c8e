"""Averages of rows: over bins of a song, and over all songs of a data set."""

from typing import Final

import numpy as np

_CONSTANT: Final = 1e-6  # spread below which a column does not vary, as a share of its mean where that is above 1


def pool(music: np.ndarray, bins: int) -> np.ndarray:
    """Averages (F, M) over time into (bins, M). Bins cover the song evenly; they share frames where F < bins."""
    frames = len(music)
    if bins < 1 or frames < 1:
        raise ValueError(f"music: cannot pool {frames} frames into {bins} bins")
    edges = np.arange(bins + 1) * frames / bins
    starts, stops = np.floor(edges[:-1]).astype(int), np.ceil(edges[1:]).astype(int)
    sums = np.concatenate([np.zeros((1, music.shape[1])), np.cumsum(music, axis=0, dtype=np.float64)])
    return ((sums[stops] - sums[starts]) / (stops - starts)[:, None]).astype(np.float32)


class Moments:
    """Mean and spread of each column of features that come a song at a time: offset and scale of a FeatureSet."""

    def __init__(self, width: int):
        self._width, self._count = width, 0
        self._mean = np.zeros(width)
        self._squares = np.zeros(width)  # sum of squared distances from the mean

    def add(self, rows: np.ndarray) -> None:
        """Takes (F, width), in any order of songs. Raises ValueError for another width or NaN."""
        if rows.ndim != 2 or rows.shape[1] != self._width:
            raise ValueError(f"music: features of shape {rows.shape}, expected (frames, {self._width})")
        if not np.isfinite(rows).all():
            raise ValueError("music: features hold NaN or infinite values; make them again")
        if len(rows) == 0:
            return
        rows = rows.astype(np.float64)
        mean, total = rows.mean(axis=0), self._count + len(rows)
        shift = mean - self._mean
        self._squares += np.square(rows - mean).sum(axis=0) + shift**2 * (self._count * len(rows) / total)
        self._mean += shift * (len(rows) / total)
        self._count = total

    @property
    def mean(self) -> tuple[float, ...]:
        """Raises ValueError before any row was added."""
        self._check()
        return tuple(self._mean.tolist())

    @property
    def spread(self) -> tuple[float, ...]:
        """Standard deviations; 1 for a column that does not vary. Raises ValueError before any row was added."""
        self._check()
        found = np.sqrt(self._squares / self._count)
        return tuple(np.where(found > _CONSTANT * np.maximum(1, np.abs(self._mean)), found, 1.0).tolist())

    def _check(self) -> None:
        if self._count == 0:
            raise ValueError("music: no features were added, so there is no mean and no spread of them")


__all__ = ["Moments", "pool"]
