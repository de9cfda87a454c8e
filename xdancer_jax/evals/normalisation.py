"""Features of motions on one scale, before distances between them are taken."""

import dataclasses
from typing import Literal

import numpy as np


@dataclasses.dataclass(frozen=True)
class Normalisation:
    """(f - mean) / (deviation + eps), a feature at a time.

    Attributes:
      by: whose mean and deviation: of the "real" motions, as mint and Bailando do, or each set's "own", as MACE-Dance's
        script does, whose Frechet distance then sees no difference of means and whose diversity tends to a constant.
      eps: added to the deviation: 1e-10 in mint and Bailando, 1e-4 in MACE-Dance.
      min_std: features whose real deviation is below this are left out: they tell nothing, and eps alone would make
        them dwarf all others. 0 leaves none out.
    """

    by: Literal["real", "own"] = "real"
    eps: float = 0.0
    min_std: float = 1e-8

    def __call__(self, features: np.ndarray, real: np.ndarray) -> np.ndarray:
        """Features (N, C) as (N, kept), `real` (M, C)."""
        source = real if self.by == "real" else features
        kept = real.std(axis=0) >= self.min_std
        return (features[:, kept] - source[:, kept].mean(axis=0)) / (source[:, kept].std(axis=0) + self.eps)


GT = Normalisation()
PUBLISHED = Normalisation(eps=1e-10, min_std=0.0)
MACE = Normalisation("own", 1e-4, 0.0)

__all__ = ["GT", "MACE", "PUBLISHED", "Normalisation"]
