import dataclasses
import math

import pytest

from launch.reporting import entries, paper, published, tables
from launch.reporting.tables import NOT_MEASURED
from tests import reports
from xdancer_jax.evals.protocols import Result


def line(folder, **fields):
    return paper.line(entries.read(reports.run(folder, **fields)))


def cells(table, label):
    """{column and its mark: cell} of the row."""
    (found,) = (cells for name, cells in table.rows if name == label)
    return {f"{head.name} {head.mark}": cell for head, cell in zip(table.heads, found, strict=True)}


def test_published_figures_are_the_papers():
    """Spot checks of each table against the paper, and every row as long as its columns."""
    for table in published.TABLES:
        for row in table.rows:
            assert [len(values) for values in row.values] == [len(table.data)] * len(table.quantities), row.label
    rows = {table.id: {row.label: row.values for row in table.rows} for table in published.TABLES}
    assert rows["table_1"]["X-Dancer"] == ((531.52, 238.22), (25.61, 28.08), (0.23, 0.21))
    assert rows["table_2"]["X-Dancer"] == ((507.06,), (61.94,), (0.5317,))
    assert rows["table_3"]["no motion context"] == ((247.54,), (26.42,), (0.2154,))
    assert rows["table_4_poses"]["multi-part"] == ((0.5,), (0.4,), (0.42,))
    assert rows["table_4_video"]["single-part + MD"] == ((17.079,), (0.258,), (350.73,))


def test_ours_stand_beside_the_published_ones_in_columns_of_their_own(tmp_path):
    table = paper.table(published.TABLE_1, [line(tmp_path / "motion")])
    found = cells(table, "X-Dancer — ours: motion, step 6")
    assert found["BAS in-house published, other data"] == tables.Cell(0.21, published=True)
    ours = found["BAS ours another protocol: bas_masked_100ms"]
    assert (ours.value, ours.low, ours.high, ours.published) == (0.6, 0.5, 0.7, False)
    assert cells(table, "ground truth")["BAS ours another protocol: bas_masked_100ms"].value == 0.75


def test_what_is_not_measured_says_what_would_measure_it(tmp_path):
    table = paper.table(published.TABLE_1, [line(tmp_path / "motion")])
    missing = cells(table, "X-Dancer — ours: motion, step 6")["FVD ours none measured"]
    assert missing.shown == NOT_MEASURED
    assert missing.needs == "launch.evaluate --suite motion --run of a motion run --i3d i3d_pretrained_400.pt"
    assert "--from_videos" in cells(table, "EDGE")["BAS ours another protocol: bas_masked_100ms"].needs


@pytest.mark.parametrize(
    "changes, label",
    [
        ({}, "full model"),
        ({"model": {"global_music": False, "motion_context": True, "width": 64}}, "no global music"),
        ({"model": {"global_music": True, "motion_context": False, "width": 64}}, "no motion context"),
        ({"data": {"share": 0.1}}, "sub-dataset, small"),
        ({"data": {"share": 0.1}, "model": {"global_music": True, "motion_context": True, "width": 1024}},
         "sub-dataset, medium"),
    ],
)  # fmt: skip
def test_a_motion_run_stands_in_the_row_of_its_config(tmp_path, changes, label):
    table = paper.table(published.TABLE_3, [line(tmp_path / "m", config=reports.CONFIGS["motion"] | changes)])
    assert [name for name, _ in table.rows if "ours" in name] == [f"{label} — ours: m, step 6"]


@pytest.mark.parametrize(
    "config, label",
    [
        ({"pose_control": "pose_guider", "earlier": {}}, "ground-truth poses + PG"),
        ({"pose_control": "motion_decoder", "earlier": {"tokenizer": {"single_part": True}}}, "single-part + MD"),
        ({"pose_control": "motion_decoder", "earlier": {"tokenizer": {"single_part": False}}}, "multi-part + MD"),
    ],
)
def test_a_video_run_stands_in_the_row_of_its_config(tmp_path, config, label):
    psnr = [Result("psnr_float", {}, {"score": 19.0})]
    table = paper.table(published.TABLE_4_VIDEO, [line(tmp_path / "v", stage="video", found=psnr, config=config)])
    assert cells(table, f"{label} — ours: v, step 6")["PSNR ours another protocol: psnr_float"].value == 19.0


def test_constants_of_one_protocol_that_differ_make_two_columns(tmp_path):
    wide = dataclasses.replace(reports.BEATS, constants={"sigma_ms": 200.0}, values={"score": 0.9})
    table = paper.table(published.TABLE_1, [line(tmp_path / "a"), line(tmp_path / "b", found=[wide])])
    marks = [head.mark for head in table.heads if head.name == "BAS ours"]
    assert marks == [f"another protocol: bas_masked_100ms ({letter})" for letter in "ab"]
    first, second = (cells(table, f"X-Dancer — ours: {name}, step 6") for name in "ab")
    assert [first[f"BAS ours {mark}"].shown for mark in marks] == ["0.6", NOT_MEASURED]
    assert [second[f"BAS ours {mark}"].shown for mark in marks] == [NOT_MEASURED, "0.9"]
    assert math.isnan(second["BAS in-house published, other data"].value)  # stands in the first line alone


def test_another_system_stands_in_the_row_of_its_name_or_in_its_own(tmp_path):
    for name in ("edge_pg", "Mine"):
        reports.suite(tmp_path / name, "video", Result("fvd_videogpt", {}, {"distance": 900.0}), None)
    lines = [paper.line(entries.read(str(tmp_path / name))) for name in ("edge_pg", "Mine")]
    table = paper.table(published.TABLE_2, lines)
    assert cells(table, "EDGE + PG — measured here")["FVD ours another protocol: fvd_videogpt"].value == 900.0
    assert table.rows[-1][0] == "Mine"


def test_a_row_of_several_runs_is_their_mean_with_its_interval(tmp_path):
    several = [
        entries.read(reports.run(tmp_path / str(value), found=[Result("bas_masked_100ms", {}, {"score": value})]))
        for value in (0.6, 0.7, 0.8)
    ]
    (cell,) = paper.averaged("full", several).cells.values()
    assert (cell.value, cell.runs) == (pytest.approx(0.7), 3)
    assert cell.low == pytest.approx(0.7 - 4.30265 * 0.1 / math.sqrt(3), abs=1e-5)


def test_figures_through_random_weights_are_not_in_it(tmp_path):
    result = Result("fvd_videogpt", {}, {"distance": 9.0}, source={"networks": {"i3d": "random, seed 0"}})
    reports.suite(tmp_path / "Hallo", "video", result, None)
    table = paper.table(published.TABLE_2, [paper.line(entries.read(str(tmp_path / "Hallo")))])
    assert all(cell.published or cell.needs for _, cells in table.rows for cell in cells)
