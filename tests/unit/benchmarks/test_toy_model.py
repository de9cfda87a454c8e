import numpy as np
import pytest

from benchmarks import toy_model
from data_pipeline.toy import make_clip
from launch.suites.kept import Place
from launch.suites.video import _photo


@pytest.mark.parametrize("rgb, expected", [((255, 255, 255), (100, 0, 0)), ((255, 0, 0), (54, 81, 70)),
                                           ((128, 128, 128), (54, 0, 0))])  # fmt: skip
def test_colours_are_cie_lab_by_d50(rgb, expected):
    np.testing.assert_allclose(toy_model.lab(np.array(rgb)), expected, atol=1)


@pytest.fixture
def clips(tmp_path):
    """Two kept clips: one painted as it was, one in the colours of the other's picture."""
    place, made = Place(tmp_path, "video", 1, {}), [make_clip(0, i, "test", 30, 224, 128)["frames"] for i in (0, 1)]
    place.clips.mkdir(parents=True)
    for i, painted in enumerate((made[0], made[1][..., ::-1])):
        name = f"toy-0-test-{i:05d}"
        place.write(f"{name}_truth", {"photo": _photo(made[i][0]), "fps": np.float64(30)}, made[i][10:20])
        place.write(name, {"fps": np.float64(30)}, painted[10:20])
    return place.clips


def test_colours_are_kept_or_not(clips):
    found = toy_model.measured(clips, 30)
    assert found["near"]["made"] == 1 and found["near"]["truth"] == 2
    one, other = found["clips"].values()
    assert max(one["made"].values()) < 8 and max(other["made"].values()) > 15
    assert one["made"] == one["truth"]


def test_other_folders_are_one_line(clips, tmp_path):
    with pytest.raises(ValueError, match="no kept clips"):
        toy_model.measured(tmp_path, 30)
    for end in ("", "_truth"):
        (clips / f"toy-0-test-00000{end}.npz").rename(clips / f"dance{end}.npz")
    with pytest.raises(ValueError, match="dance is no clip of the toy data set"):
        toy_model.measured(clips, 30)
