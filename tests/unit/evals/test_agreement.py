import math

import numpy as np
import pytest

from xdancer_jax.evals.agreement import KrippendorffAlpha

# Krippendorff (2011), section C: 4 observers, 12 units, categories 1 to 5; he computes 0.743 by hand.
BOOK = """
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 .
"""


def table(text):
    return np.array([[-1 if c == "." else int(c) for c in line.split()] for line in text.strip().splitlines()])


def test_alpha_is_that_of_the_paper_that_defines_it():
    found = KrippendorffAlpha()(table(BOOK))
    assert round(found.alpha, 3) == 0.743 and found.pairable == 40


def test_alpha_of_a_table_worked_out_by_hand():
    # Items 00, 01, 11: coincidences o00 = 2, o11 = 2, o01 = o10 = 1; n0 = n1 = 3. Disagreement seen 2 / 6, by chance
    # 2 * 3 * 3 / (6 * 5) = 0.6: alpha = 1 - (1 / 3) / 0.6 = 4 / 9.
    found = KrippendorffAlpha()(np.array([[0, 0, 1], [0, 1, 1]]))
    assert found.alpha == pytest.approx(4 / 9) and found.observed == pytest.approx(2 / 3)


def test_alpha_is_fleiss_kappa_but_for_the_size_of_the_sample():
    ratings = np.random.default_rng(1).choice(3, (5, 20), p=[0.6, 0.3, 0.1])
    counts = np.stack([(ratings == category).sum(0) for category in range(3)])
    observed, chance = ((counts**2).sum() - 100) / (20 * 5 * 4), ((counts.sum(1) / 100) ** 2).sum()
    kappa = (observed - chance) / (1 - chance)
    assert KrippendorffAlpha()(ratings).alpha == pytest.approx(kappa + (1 - kappa) / 100, abs=1e-12)


@pytest.mark.parametrize(("ratings", "observed"), [([[0, 0], [0, 0]], 1.0), ([[0, -1], [-1, 1]], math.nan)])
def test_alpha_is_no_number_where_nothing_varies_or_no_item_has_two_ratings(ratings, observed):
    found = KrippendorffAlpha()(np.array(ratings))
    assert math.isnan(found.alpha) and found.observed == pytest.approx(observed, nan_ok=True)


def test_raters_who_guess_agree_as_chance_does():
    found = KrippendorffAlpha()(np.random.default_rng(0).integers(0, 2, (20, 500)))
    assert abs(found.alpha) < 0.01 and found.observed == pytest.approx(0.5, abs=0.01)
