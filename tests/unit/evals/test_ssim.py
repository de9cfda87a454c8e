import numpy as np
import pytest

from xdancer_jax.evals.ssim import SSIM, disco, gray


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(0)
    one = rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)
    return one, np.clip(one + rng.integers(-40, 40, one.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("metric", [SSIM(), disco()], ids=lambda metric: metric.id)
def test_equal_pictures_have_one_and_others_less(metric, pair):
    assert metric(pair[0], pair[0]) == pytest.approx(1)
    assert 0 < metric(*pair) < 1


def test_constant_pictures_by_hand():
    dark, light = (np.full((11, 11, 3), value, np.uint8) for value in (50, 100))
    c1 = (0.01 * 255) ** 2
    want = (2 * 50 * 100 + c1) / (50**2 + 100**2 + c1)
    assert SSIM()(dark, light) == pytest.approx(want) == disco()(dark, light)


def test_one_uniform_window_by_hand():
    """The covariance is that of a sample: over N - 1."""
    rng = np.random.default_rng(0)
    one, other = (np.repeat(rng.integers(0, 256, (7, 7, 1), dtype=np.uint8), 3, axis=-1) for _ in range(2))
    x, y = (frame[..., 0].astype(float).ravel() for frame in (one, other))
    (sx, sxy), (_, sy) = np.cov(x, y, ddof=1)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    want = (2 * x.mean() * y.mean() + c1) * (2 * sxy + c2) / ((x.mean() ** 2 + y.mean() ** 2 + c1) * (sx + sy + c2))
    assert disco()(one, other) == pytest.approx(want, rel=1e-9)


def test_gray_is_opencvs():
    cv2 = pytest.importorskip("cv2")
    every = np.stack(np.meshgrid(*[np.arange(0, 256, 5)] * 3), axis=-1).reshape(-1, 1, 3).astype(np.uint8)
    np.testing.assert_array_equal(gray(every), cv2.cvtColor(every, cv2.COLOR_RGB2GRAY))


def test_small_pictures_are_refused():
    with pytest.raises(ValueError, match="10 x 30; 11 pixels are needed"):
        SSIM()(*np.zeros((2, 10, 30, 3), np.uint8))
