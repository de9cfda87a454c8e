import numpy as np
import pytest

from xdancer_jax.evals.diversity import Diversity
from xdancer_jax.evals.normalisation import MACE, PUBLISHED


def _rows(seed, rows=30, width=6):
    rng = np.random.default_rng(seed)
    return rng.normal(seed, 1 + seed, (rows, width)) @ rng.normal(size=(width, width))


def test_diversity_by_hand():
    real = np.array([[0.0, 0.0, 5.0], [2.0, 4.0, 5.0]])  # mean (1, 2), deviation (1, 2), constant
    features = np.array([[1.0, 2.0, 7.0], [4.0, 10.0, 9.0], [1.0, 2.0, 0.0]])
    assert Diversity()(features, real) == pytest.approx((5 + 0 + 5) / 3)  # (3, 8) apart: 3 and 4 deviations


@pytest.mark.parametrize("normalisation", [PUBLISHED, MACE])
def test_agrees_with_the_published_loops(normalisation):
    """Bailando's and mint's by the real motions, MACE-Dance's by each set's own."""
    ours, real = _rows(1), _rows(2)
    source, eps = (real, 1e-10) if normalisation is PUBLISHED else (ours, 1e-4)
    scaled = (ours - source.mean(axis=0)) / (source.std(axis=0) + eps)
    total = sum(np.linalg.norm(scaled[i] - scaled[j]) for i in range(30) for j in range(i + 1, 30))
    found = Diversity(normalisation=normalisation)(ours, real)
    np.testing.assert_allclose(found, total / (30 * 29 / 2), rtol=1e-5)


def test_own_normalisation_hides_how_diverse_motions_are():
    real = _rows(1)
    narrow = real * 0.01
    assert Diversity()(narrow, real) < 0.02 * Diversity()(real, real)
    own = Diversity(normalisation=MACE)
    np.testing.assert_allclose(own(narrow, real), own(real, real), rtol=0.05)


def test_the_interval_covers_the_diversity_of_all_motions():
    rng, inside = np.random.default_rng(0), 0
    real = rng.normal(size=(200, 4))
    expected = np.mean([Diversity()(rng.normal(size=(25, 4)), real) for _ in range(400)])
    for _ in range(60):
        low, high = Diversity().interval(rng.normal(size=(25, 4)), real)
        inside += low <= expected <= high
    assert 51 <= inside <= 60  # of 95%
    assert np.isnan(Diversity().interval(real[:2], real)).all()


def test_too_few_and_undefined_rows_are_refused():
    real = _rows(1)
    with pytest.raises(ValueError, match="two motions or more, got 1 and 30 real ones"):
        Diversity()(real[:1], real)
    with pytest.raises(ValueError, match="not finite"):
        Diversity()(np.full((3, 6), np.nan), real)
