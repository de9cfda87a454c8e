"""How different are the motions? Mean distance between their features (docs/metrics.md)."""

import dataclasses

import numpy as np
from scipy.spatial.distance import pdist, squareform

from xdancer_jax.evals.normalisation import GT, Normalisation
from xdancer_jax.typing import Float, typechecked


@dataclasses.dataclass(frozen=True)
class Diversity:
    """DIV: mean L2 distance over all pairs of motions, 2 / (n (n - 1)) sum over i < j of |f_i - f_j|.

    Source: mint (tools/calculate_scores.py) and Bailando (utils/metrics_new.py); features are normalised first.

    Attributes:
      minimum: motions below which a result carries a warning.
    """

    id: str = "div_gtnorm"
    normalisation: Normalisation = GT
    minimum: int = 20

    @typechecked
    def __call__(self, features: Float[np.ndarray, "N C"], real: Float[np.ndarray, "M C"]) -> float:
        """DIV of `features`, one row a motion. Raises ValueError for fewer than two rows on a side, or NaN."""
        _check(features, real)
        return float(pdist(self.normalisation(features, real)).mean())

    @typechecked
    def interval(self, features: Float[np.ndarray, "N C"], real: Float[np.ndarray, "M C"]) -> tuple[float, float]:
        """95% interval by the jackknife over motions (Efron and Stein 1981), the real ones held fixed; NaN for fewer
        than three. A bootstrap would draw motions twice, whose distance of 0 pulls the mean down."""
        _check(features, real)
        count = len(features)
        if count < 3:
            return float("nan"), float("nan")
        apart = squareform(pdist(self.normalisation(features, real)))
        total = apart.sum() / 2
        without = (total - apart.sum(axis=1)) / ((count - 1) * (count - 2) / 2)
        half = 1.96 * np.sqrt((count - 1) / count * ((without - without.mean()) ** 2).sum())
        mean = total / (count * (count - 1) / 2)
        return float(mean - half), float(mean + half)


def _check(features: np.ndarray, real: np.ndarray) -> None:
    if len(features) < 2 or len(real) < 2:
        raise ValueError(f"diversity needs two motions or more, got {len(features)} and {len(real)} real ones")
    if not (np.isfinite(features).all() and np.isfinite(real).all()):
        raise ValueError("diversity: features are not finite; leave such motions out")


__all__ = ["Diversity"]
