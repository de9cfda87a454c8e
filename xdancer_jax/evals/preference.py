"""How often raters chose a system, and how sure that is."""

import dataclasses
import math
from typing import NamedTuple

import numpy as np

from xdancer_jax.evals.bootstrap import Bootstrap, Interval
from xdancer_jax.typing import Int, typechecked

TIE = -1  # the rater saw no difference


class Share(NamedTuple):
    """Of one system.

    Attributes:
      share: mean over raters of the share of a rater's answers that chose it, a tie counting 1 / systems.
      over_raters: interval of `share` from raters drawn anew; (NaN, NaN) with one rater.
      of_answers: Wilson's interval of the share of all answers, as though each were of another rater.
      chosen: answers that chose it, without ties.
    """

    share: float
    over_raters: Interval
    of_answers: Interval
    chosen: int


@dataclasses.dataclass(frozen=True)
class PreferenceShares:
    """Shares of answers to one question; each rater counts the same, however many answers are theirs.

    A rater's answers hang together, so raters are resampled, not answers (percentile bootstrap). With few raters, or
    where all agree, that interval is too narrow; Wilson's has a width then, but takes a rater's answers for
    independent. Quote the wider one.

    Attributes:
      level: coverage of both intervals, in (0, 1).
      samples, seed: of the bootstrap.
    """

    id: str = "preference_share_over_raters"
    level: float = 0.95
    samples: int = 2000
    seed: int = 0

    @typechecked
    def __call__(
        self, chosen: Int[np.ndarray, " answers"], raters: Int[np.ndarray, " answers"], systems: int
    ) -> list[Share]:
        """A Share for each of `systems`. Raises ValueError without answers.

        Args:
          chosen: number of the system, or TIE. raters: number of who answered.
        """
        if len(chosen) == 0:
            raise ValueError("preference: no answer to this question")
        return [self._share(chosen, raters, system, systems) for system in range(systems)]

    def _share(self, chosen: np.ndarray, raters: np.ndarray, system: int, systems: int) -> Share:
        credit = np.where(chosen == TIE, 1 / systems, chosen == system)
        each = np.array([credit[raters == rater].mean() for rater in np.unique(raters)])
        over = Interval(math.nan, math.nan)
        if len(each) > 1:
            over = Bootstrap(level=self.level, samples=self.samples, seed=self.seed)(each)
        of_answers = wilson(float(credit.sum()), len(credit), self.level)
        return Share(float(each.mean()), over, of_answers, int((chosen == system).sum()))


def wilson(successes: float, trials: int, level: float) -> Interval:
    """Wilson's score interval of a proportion (1927); successes may be fractions, as halves of ties are."""
    from scipy import stats

    z2 = float(stats.norm.isf((1 - level) / 2)) ** 2
    p = successes / trials
    half = math.sqrt(z2 * p * (1 - p) / trials + z2**2 / (4 * trials**2))
    low, high = ((p + z2 / (2 * trials) + sign * half) / (1 + z2 / trials) for sign in (-1, 1))
    return Interval(max(low, 0.0), min(high, 1.0))
