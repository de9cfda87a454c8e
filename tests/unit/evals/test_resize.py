import numpy as np
import pytest
from PIL import Image

from xdancer_jax.evals.resize import KINETICS_MEAN, bilinear, prepared


@pytest.fixture(scope="module")
def frames():
    return np.random.default_rng(0).integers(0, 256, (2, 12, 9, 3), dtype=np.uint8)


def test_bilinear_by_hand():
    row = np.asarray([[[[0], [90]]]], np.float32)
    np.testing.assert_allclose(bilinear(row, 1, 4).ravel(), [0, 22.5, 67.5, 90])
    ramp = np.arange(8, dtype=np.float32).reshape(1, 1, 8, 1)
    np.testing.assert_allclose(bilinear(ramp, 1, 4).ravel(), [0.5, 2.5, 4.5, 6.5])


def test_ranges(frames):
    small = prepared(frames, 8, "bilinear", "minus_one_to_one")
    np.testing.assert_allclose(prepared(frames, 8, "bilinear", "minus_half_to_half"), small / 2, atol=1e-6)
    less = prepared(frames, 8, "bilinear", "zero_to_255_less_mean")
    np.testing.assert_allclose((less + np.asarray(KINETICS_MEAN)) / 127.5 - 1, small, atol=1e-5)


def test_the_centre_is_cropped(frames):
    got = prepared(frames, 9, "bilinear_crop", "minus_one_to_one")
    np.testing.assert_allclose(got, frames[:, 1:10].astype(np.float32) / 127.5 - 1, atol=1e-6)


def test_bicubic_is_pillows_on_floats(frames):
    got = prepared(frames, 5, "bicubic_pil", "minus_one_to_one")
    plane = Image.fromarray(frames[1, ..., 2].astype(np.float32)).resize((5, 5), Image.Resampling.BICUBIC)
    np.testing.assert_allclose(got[1, ..., 2], np.asarray(plane) / 127.5 - 1, atol=1e-6)
