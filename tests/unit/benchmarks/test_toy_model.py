import numpy as np
import pytest

from benchmarks import toy_model
from data_pipeline.toy import make_clip
from launch.suites.kept import Place
from launch.suites.video import _photo
from tests import reports
from xdancer_jax.evals.protocols import Result


@pytest.mark.parametrize("rgb, expected", [((255, 255, 255), (100, 0, 0)), ((255, 0, 0), (54, 81, 70)),
                                           ((128, 128, 128), (54, 0, 0))])  # fmt: skip
def test_colours_are_cie_lab_by_d50(rgb, expected):
    np.testing.assert_allclose(toy_model.lab(np.array(rgb)), expected, atol=1)


@pytest.fixture
def clips(tmp_path):
    """Two kept clips of a run: one painted as it was, one in the colours of the other's picture."""
    place = Place(tmp_path / "video" / "evaluation" / "step_6", "video", 6, {})
    made = [make_clip(0, i, "test", 30, 224, 128)["frames"] for i in (0, 1)]
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


PAIRED = {"low": 20.5, "high": 22.0, "chance": 13.0, "repeat_photo": 17.0}
BEATS = {"score": 0.64, "low": 0.54, "high": 0.74, "chance": 0.44, "ground_truth": 0.66,
         "ground_truth_chance": 0.41, "fraction": 0.8}  # fmt: skip
SPREAD = {"diversity": 30.0, "low": 20.0, "high": 40.0, "ground_truth": 18.0, "chance": 90.0, "repeat_photo": 0.0}
FLICKER = {"score": 0.004, "low": 0.003, "high": 0.005, "truth": 0.002, "ratio": 2.0}


@pytest.fixture
def runs(clips, tmp_path):
    reports.run(tmp_path / "video", "video", ())
    for name, score in (("psnr_float", 21.25), ("ssim_gaussian", 16.0), ("frame_l1_mean", 16.0)):
        reports.suite(tmp_path / "video", "video", Result(name, {}, {"score": score, **PAIRED}))
    reports.suite(tmp_path / "video", "video", Result("flicker_second_difference", {}, FLICKER))
    reports.run(tmp_path / "motion", "motion", ())
    for name, values in (("bas_masked_100ms", BEATS), ("div_gtnorm_kinetic_2d", SPREAD)):
        reports.suite(tmp_path / "motion", "motion", Result(name, {}, values))
    found = [Result("psnr_float", {}, PAIRED | {"score": 32.4})]
    reports.run(tmp_path / "autoencoder", "autoencoder", found, config={"model": {}})
    return tmp_path


def test_each_figure_is_held_against_its_bar(runs):
    rows, count = toy_model.figures(runs, 30)
    assert count == 2
    assert [round(row.value, 3) for row in rows] == [4.25, 16.0, 16.0, 1, 0.8, 1.667, 2.0, 32.4]
    assert [row.reached for row in rows] == [True, False, True, False, True, True, False, True]
    psnr, *_, colours, beats, _, flicker, _ = rows
    assert (psnr.low, psnr.high, psnr.chance) == (3.5, 5.0, -4.0)
    assert (colours.bar, colours.truth, beats.truth) == ("2 or more", 2, 1.0)
    assert (colours.low, colours.high, rows[-1].low, rows[-1].photo) == (0, 2, 20.5, None)
    np.testing.assert_allclose((beats.low, beats.high, flicker.low), (0.4, 1.2, 1.5))


def test_what_was_not_measured_is_named(runs):
    (runs / "motion" / "evaluation" / "step_6" / "motion" / "bas_masked_100ms.json").unlink()
    with pytest.raises(ValueError, match="motion: bas_masked_100ms was not measured; use launch.evaluate"):
        toy_model.figures(runs, 30)
