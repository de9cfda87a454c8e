import numpy as np
import pytest

from data_pipeline.toy import make_clip
from data_pipeline.toy.clip import performed
from data_pipeline.toy.masks import GARMENTS, garments


@pytest.mark.parametrize("index", [0, 1, 5])
def test_a_garments_pixels_have_its_colour(index):
    frames = make_clip(0, index, "test", 40, 224, 128)["frames"]
    _, dancer, _ = performed(0, index, "test", 40, 128 / 224)
    found = garments(0, index, "test", 40, 224, 128)
    assert set(found) == set(GARMENTS)
    assert not np.any(sum(mask.astype(int) for mask in found.values()) > 1)
    for name, mask in found.items():
        assert mask.shape == frames.shape[:3] and mask.sum() > 40 * 100
        colours = frames[mask] / np.maximum(getattr(dancer, name), 1)
        low, high = np.quantile(colours, [0.001, 0.98])  # sleeves and one leg are darker; edges show a bit of the rest
        assert low > 0.75 and high < 1.03
    assert found["shirt"].sum() < 0.4 * found["shirt"].size
