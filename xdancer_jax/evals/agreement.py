"""How far raters agree: Krippendorff's alpha for unordered categories.

Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011). Unlike Fleiss' kappa it takes raters who rated some
of the items only, as people who leave a study early do; with no rating missing alpha = kappa + (1 - kappa)
/ ratings.
"""

import dataclasses
import math
from typing import NamedTuple

import numpy as np

from xdancer_jax.typing import Int, typechecked


class Agreement(NamedTuple):
    """alpha: 1 for full agreement, 0 for that of chance, below for less; NaN where all ratings are the same or no item
    has two. observed: the share of pairs of ratings of one item that agree. pairable: ratings of items with two."""

    alpha: float
    observed: float
    pairable: int


@dataclasses.dataclass(frozen=True)
class KrippendorffAlpha:
    """Nominal alpha: 1 - observed disagreement / that of ratings dealt out at random.

    Where nearly all raters choose one category, alpha is low although they agree: read it beside `observed`.
    """

    id: str = "krippendorff_alpha_nominal"

    @typechecked
    def __call__(self, ratings: Int[np.ndarray, "raters items"]) -> Agreement:
        """Agreement of categories 0, 1, ...; -1 where a rater did not rate an item."""
        counts = np.stack([(ratings == category).sum(0) for category in range(max(int(ratings.max(initial=0)), 0) + 1)])
        counts = counts[:, counts.sum(0) >= 2]
        each = counts.sum(0)
        total = int(each.sum())
        if total == 0:
            return Agreement(math.nan, math.nan, 0)
        disagree = (each**2 - (counts**2).sum(0)) / (each - 1)  # pairs of unlike ratings of an item, by its weight
        expected = (total**2 - (counts.sum(1) ** 2).sum()) / (total - 1)
        alpha = 1 - float(disagree.sum() / expected) if expected else math.nan
        pairs = (each * (each - 1)).sum()
        return Agreement(alpha, float((counts * (counts - 1)).sum() / pairs), total)
