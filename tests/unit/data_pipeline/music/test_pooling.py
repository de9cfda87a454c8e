import numpy as np
import pytest

from data_pipeline import music


def test_pool_averages_bins_and_repeats_short_songs():
    rows = np.arange(6, dtype=np.float32)[:, None] * np.ones((1, 35), np.float32)
    np.testing.assert_allclose(music.pool(rows, 3)[:, 0], [0.5, 2.5, 4.5])
    np.testing.assert_allclose(music.pool(rows, 4)[:, 5], [0.5, 1.5, 3.5, 4.5])  # bins of 1.5 frames touch 2
    np.testing.assert_allclose(music.pool(rows[:2], 4)[:, 0], [0, 0, 1, 1])
    with pytest.raises(ValueError, match="0 frames into 4 bins"):
        music.pool(rows[:0], 4)


def test_moments_of_songs_in_turn_are_those_of_all_rows():
    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(500, 4)) * [1, 100, 1e-3, 1] + [0, -3000, 5, 0]).astype(np.float32)
    rows[::2, 3] = np.nextafter(np.float32(1e4 / 3), np.float32(0))  # constant but for rounding
    rows[1::2, 3] = 1e4 / 3
    moments = music.Moments(4)
    for part in (rows[:1], rows[1:1], rows[1:300], rows[300:]):
        moments.add(part)
    whole = rows.astype(np.float64)
    np.testing.assert_allclose(moments.mean, whole.mean(axis=0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(moments.spread[:3], whole.std(axis=0)[:3], rtol=1e-10)
    assert moments.spread[3] == 1
    scaled = music.FeatureSet("any4", offset=moments.mean, scale=moments.spread).normalise(rows)
    np.testing.assert_allclose(scaled[:, :3].std(axis=0), 1, atol=1e-3)
    np.testing.assert_allclose(scaled[:, 3], 0, atol=1e-3)


@pytest.mark.parametrize(
    ("rows", "message"),
    [(np.zeros((3, 5)), r"expected \(frames, 4\)"), (np.full((3, 4), np.nan), "NaN"), (None, "no features")],
)
def test_what_has_no_moments_is_refused(rows, message):
    moments = music.Moments(4)
    with pytest.raises(ValueError, match=message):
        moments.add(rows) if rows is not None else moments.mean
    with pytest.raises(ValueError, match="no features were added"):
        _ = moments.spread
