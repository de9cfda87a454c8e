import math

import numpy as np
import pytest
from scipy import stats

from launch.sweeps import exports, figures
from launch.sweeps.figures import Column
from xdancer_jax.evals.protocols import Result


def result(value, protocol="psnr_float", constants=None, figure="score"):
    return Result(protocol, constants or {}, {figure: value, "undefined": math.nan})


@pytest.fixture
def found(make):
    """Two rows of video runs, three and one seeds."""
    values = {("wide", 0): 20.0, ("wide", 1): 21.0, ("wide", 2): 22.5, ("100% _#1", 0): 30.0}
    return {
        make(f"{row}{seed}", row=row, seed=seed, stage="video"): figures.of_results([result(value)])
        for (row, seed), value in values.items()
    }


def test_a_cell_is_mean_and_t_interval():
    values = [20.0, 21.0, 22.5]
    cell = figures.cell(values)
    low, high = stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values))
    assert (cell.mean - cell.half, cell.mean + cell.half) == pytest.approx((low, high))
    assert math.isnan(figures.cell([1.0]).half)


def test_rows_average_their_seeds(found):
    rows = figures.rows(found)
    (column,) = rows["video", "wide"]
    assert column == Column("psnr_float", "score", "{}")
    assert rows["video", "wide"][column].mean == pytest.approx(21.1667, abs=1e-4)
    assert rows["video", "wide"][column].runs == 3 and rows["video", "100% _#1"][column].runs == 1


def test_the_newest_of_one_figures_evaluations_counts():
    assert figures.of_results([result(1.0), result(2.0)]) == {Column("psnr_float", "score", "{}"): 2.0}


def test_best_is_the_largest_or_the_smallest(found, make):
    assert figures.best(found, "psnr_float/score", None).row == "100% _#1"
    assert figures.best(found, "psnr_float/score", False).id == "wide0"
    errors = {make("a"): figures.of_results([result(2.0, "pose_l1_half_height", figure="full_body")]),
              make("b"): figures.of_results([result(1.0, "pose_l1_half_height", figure="full_body")])}
    assert figures.best(errors, "pose_l1_half_height/full_body", None).id == "b"


def test_best_refuses_what_it_cannot_answer(found, make):
    with pytest.raises(ValueError, match=r"no finished run has this figure; there are psnr_float/score$"):
        figures.best(found, "psnr_float/nothing", None)
    with pytest.raises(ValueError, match="--best_is"):
        figures.best({make("a"): figures.of_results([result(1.0, "unheard_of")])}, "unheard_of/score", None)
    mixed = {make("a"): figures.of_results([result(1.0, constants={"reduction": "pooled"})]),
             make("b"): figures.of_results([result(2.0)])}
    with pytest.raises(ValueError, match="different constants"):
        figures.best(mixed, "psnr_float/score", None)


def test_csv_has_every_figure_with_its_protocol(found):
    lines = exports.as_csv(figures.rows(found)).splitlines()
    assert lines[0] == "stage,row,protocol,constants,figure,runs,mean,interval_low,interval_high"
    assert len(lines) == 3
    stage, row, protocol, constants, figure, runs, mean, low, high = lines[1].split(",")
    assert (stage, row, protocol, figure, runs) == ("video", "wide", "psnr_float", "score", "3")
    assert float(low) < float(mean) < float(high)
    assert lines[2].endswith("1,30.0,,")


def test_latex_never_puts_two_protocols_into_one_column(make):
    found = {
        make("a", stage="video"): figures.of_results([result(1.0, constants={"reduction": "pooled"}), result(2.0)]),
        make("b", stage="video"): figures.of_results([result(3.0)]),
    }
    text = exports.as_latex(figures.rows(found))
    assert r"psnr\_float/score (a) $\uparrow$ & psnr\_float/score (b) $\uparrow$" in text
    assert r"a & 1 & 2 \\" in text and r"b & -- & 3 \\" in text
    assert '% psnr\\_float/score (a) $\\uparrow$: {"reduction": "pooled"}' in text


def test_latex_takes_any_row(found):
    text = exports.as_latex(figures.rows(found))
    assert r"100\% \_\#1 & 30 \\" in text
    assert r"wide & 21.17 $\pm$ 3.1 \\" in text
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {line.count("&") - line.count(r"\&") for line in body} == {1}


def test_files_are_written(found, tmp_path):
    paths = exports.write(figures.rows(found), tmp_path)
    assert [path.name for path in paths] == ["table.csv", "table.tex"]
    assert paths[0].read_text() == exports.as_csv(figures.rows(found))
