"""How sure a mean over sequences is."""

import dataclasses
from typing import NamedTuple

import numpy as np

from xdancer_jax.typing import Float, typechecked


class Interval(NamedTuple):
    """A confidence interval of a mean."""

    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Bootstrap:
    """Percentile bootstrap of the mean: resamples the sequences with replacement.

    Attributes:
      level: coverage of the interval, in (0, 1).
      samples: number of resamples.
      seed: of numpy's default generator; the same seed and values give the same interval.
    """

    id: str = "bootstrap_percentile_mean"
    level: float = 0.95
    samples: int = 2000
    seed: int = 0

    @typechecked
    def __call__(self, values: Float[np.ndarray, " sequences"]) -> Interval:
        """Interval of the mean of `values`, one per sequence; NaN values are left out. Raises ValueError if none is
        left."""
        values = values[np.isfinite(values)]
        if len(values) == 0:
            raise ValueError("bootstrap: no finite value to resample")
        draws = np.random.default_rng(self.seed).integers(len(values), size=(self.samples, len(values)))
        low, high = np.quantile(values[draws].mean(axis=1), [(1 - self.level) / 2, (1 + self.level) / 2])
        return Interval(float(low), float(high))
