import math

import numpy as np
import pytest
from scipy import stats

from xdancer_jax.evals.preference import TIE, PreferenceShares, wilson


def test_a_share_counts_raters_alike_and_splits_ties():
    # Rater 0: three of four for system 0. Rater 1: one tie.
    first, second = PreferenceShares()(np.array([0, 0, 0, 1, TIE]), np.array([0, 0, 0, 0, 1]), 2)
    assert first.share == pytest.approx((0.75 + 0.5) / 2) and second.share == pytest.approx(1 - first.share)
    assert (first.chosen, second.chosen) == (3, 1)
    third = PreferenceShares()(np.array([TIE]), np.array([7]), 4)[3]
    assert third.share == 0.25 and third.chosen == 0 and math.isnan(third.over_raters.low)


def test_the_interval_over_raters_is_as_wide_as_raters_differ_not_as_answers_are_many():
    raters = np.repeat(np.arange(10), 100)
    divided = PreferenceShares()(raters % 2, raters, 2)[0]  # five always choose 0, five never
    alike = PreferenceShares()(np.tile([0, 1], 500), raters, 2)[0]
    assert divided.share == alike.share == 0.5
    assert divided.over_raters.high - divided.over_raters.low > 0.5 and alike.over_raters == (0.5, 0.5)
    assert divided.of_answers == alike.of_answers and divided.of_answers.high - 0.5 < 0.04


@pytest.mark.parametrize(("successes", "trials"), [(0, 5), (3, 10), (85, 100), (20, 20)])
def test_wilson_is_scipys(successes, trials):
    known = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    np.testing.assert_allclose(wilson(successes, trials, 0.95), known, atol=1e-12)


def test_wilsons_interval_covers_what_it_says():
    p, draws = 0.728, np.random.default_rng(0).binomial(25, 0.728, 2000)
    covered = [low <= p <= high for low, high in (wilson(int(k), 25, 0.95) for k in draws)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


def test_no_answers_are_refused():
    with pytest.raises(ValueError, match="no answer"):
        PreferenceShares()(np.zeros(0, int), np.zeros(0, int), 2)
