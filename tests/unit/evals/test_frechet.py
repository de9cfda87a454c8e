import numpy as np
import pytest
from scipy.linalg import sqrtm

from xdancer_jax.evals.frechet import Frechet, distance, moments


def _by_matrix_root(a, b, ddof=1):
    """As pytorch-fid writes it: np.cov and scipy's matrix square root."""
    cov = [np.cov(rows, rowvar=False, ddof=ddof) for rows in (a, b)]
    root = sqrtm(cov[0] @ cov[1])
    apart = a.mean(axis=0) - b.mean(axis=0)
    return apart @ apart + np.trace(cov[0]) + np.trace(cov[1]) - 2 * np.trace(root).real


def _two(seed, rows=(60, 80), width=7):
    rng = np.random.default_rng(seed)
    return [rng.normal(i, 1 + i, (n, width)) @ rng.normal(size=(width, width)) for i, n in enumerate(rows)]


@pytest.mark.parametrize("ddof", [0, 1])
def test_agrees_with_the_matrix_square_root(ddof):
    a, b = _two(0)
    np.testing.assert_allclose(Frechet(ddof=ddof)(a, b), _by_matrix_root(a, b, ddof), rtol=1e-5)
    single = Frechet(ddof=ddof)(a.astype(np.float32), b.astype(np.float32))
    np.testing.assert_allclose(single, _by_matrix_root(a, b, ddof), rtol=1e-5)


def test_by_hand():
    """Two Gaussians on a line: (m1 - m2)^2 + (s1 - s2)^2."""
    a, b = np.array([[0.0], [2.0]]), np.array([[3.0], [9.0]])
    assert Frechet(ddof=0)(a, b) == pytest.approx((1 - 6) ** 2 + (1 - 3) ** 2)
    assert Frechet()(a, a) == 0


def test_fewer_samples_than_features():
    """S_1 S_2 is singular: the sum over its few eigenvalues, taken directly."""
    a, b = _two(1, (5, 9), 30)
    cov = [np.cov(rows, rowvar=False) for rows in (a, b)]
    roots = np.sqrt(np.clip(np.linalg.eigvals(cov[0] @ cov[1]).real, 0, None)).sum()
    apart = ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum()
    expected = apart + np.trace(cov[0]) + np.trace(cov[1]) - 2 * roots
    np.testing.assert_allclose(Frechet()(a, b), expected, rtol=1e-5)
    np.testing.assert_allclose(Frechet()(a, a), 0, atol=1e-9 * np.trace(cov[0]))


def test_the_interval_covers_the_figure_at_this_many_samples():
    rng, inside, figures = np.random.default_rng(3), 0, []
    protocol = Frechet(samples=60)
    shape = (30, 8)  # so few that resampling alone lifts the figure by more than the interval is wide
    pairs = [(rng.normal(0, 1, shape), rng.normal(0.4, 1.2, shape)) for _ in range(40)]
    expected = np.mean([protocol(rng.normal(0, 1, shape), rng.normal(0.4, 1.2, shape)) for _ in range(300)])
    for a, b in pairs:
        low, high, bias = protocol.interval(a, b)
        inside, figures = inside + (low <= expected <= high), [*figures, bias]
    assert 32 <= inside <= 40  # of 95%
    assert np.mean(figures) > 0
    assert protocol.interval(*pairs[0]) == protocol.interval(*pairs[0])


def test_a_report_states_its_samples_and_warns_below_the_minimum():
    a, b = _two(2)
    found = Frechet("fid_toy", minimum=70, samples=20).report(a, b)
    assert found.counts == {"samples": 60, "real": 80} and found.protocol == "fid_toy"
    assert found.values["low"] < found.values["distance"] < found.values["high"]
    assert len(found.notes) == 1 and "60 samples" in found.notes[0] and "70 or more" in found.notes[0]
    assert np.isnan(Frechet(samples=0).report(a, b).values["low"])
    assert found.constants["minimum"] == 70


def test_what_has_no_gaussian_is_refused():
    a, b = _two(4)
    with pytest.raises(ValueError, match="1 real samples; two or more"):
        Frechet()(a, b[:1])
    a[[3, 17], 2] = np.nan
    with pytest.raises(ValueError, match=r"2 of 60 samples are not finite \(rows 3, 17\)"):
        Frechet()(a, b)


def test_moments_of_more_rows_than_features_are_small():
    a, _ = _two(5)
    found = moments(a)
    assert found.factor.shape == (7, 7)
    np.testing.assert_allclose(found.factor.T @ found.factor, np.cov(a, rowvar=False), rtol=1e-9)
    assert distance(found, found) < 1e-9
