import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from data_pipeline import poses, report_figures
from data_pipeline.toy import clip as toy_clip


def test_every_number_is_in_a_bar_and_the_last_holds_what_lies_beyond():
    kept, dropped, edges = report_figures.bins(np.array([0.0, 0.31, 1.0]), np.array([7.0, -1.0]), 1.0, None)
    assert (kept.sum(), dropped.sum()) == (3, 2) and len(edges) == 41 and (edges[0], edges[-1]) == (0, 1)
    assert kept[[0, 12, -1]].tolist() == [1, 1, 1] and dropped[[0, -1]].tolist() == [1, 1]


def test_bars_take_in_the_limit_and_leave_out_the_farthest():
    few, many = np.array([1.0, 2.0]), np.r_[np.linspace(0, 10, 1000), 1e6]
    nothing = np.zeros(0)
    assert report_figures.bins(few, nothing, None, 20.0)[2][-1] == 25.0
    kept, _, edges = report_figures.bins(many, nothing, None, 5.0)
    assert 9.9 < edges[-1] < 10 and kept.sum() == 1001
    assert report_figures.bins(nothing, np.zeros(3), None, None)[2][-1] == 1.0
    assert report_figures.bins(nothing, nothing, None, 0.0)[2][-1] == 1.0


def _paths(svg: bytes, name: str = "style") -> list[str]:
    return [one.get(name, "") for one in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}path")]


def test_the_bars_of_dropped_clips_stand_on_those_of_the_kept():
    svg = report_figures.histogram(np.full(30, 0.51), np.full(10, 0.51), 1.0)
    levels = {}  # y of the corners of the bars of each colour, from the axis up
    for style, path in zip(_paths(svg), _paths(svg, "d"), strict=True):
        rows = {float(point.split()[1]) for point in path.replace("z", "").replace("L", "M").split("M")[1:]}
        levels[style] = sorted(rows, reverse=True)
    axis, kept = levels[f"fill: {report_figures.KEPT}"]
    assert levels[f"fill: {report_figures.DROPPED}"] == [axis, kept, pytest.approx(axis + 40 / 30 * (kept - axis))]


def test_a_histogram_shows_kept_dropped_and_the_limit_and_is_the_same_every_time():
    numbers = np.random.default_rng(0).normal(10, 2, 1000)
    svg = report_figures.histogram(numbers, numbers[:50], None, 8.0)
    styles = _paths(svg)
    assert all(any(colour in style for style in styles) for colour in (report_figures.KEPT, report_figures.DROPPED))
    assert sum("stroke-dasharray" in style for style in styles) == 1
    assert not any("stroke-dasharray" in style for style in _paths(report_figures.histogram(numbers, numbers[:50])))
    assert report_figures.histogram(numbers, numbers[:50], None, 8.0) == svg
    assert len(svg) < 20_000 and b"<date" not in svg.replace(b"dc:", b"")


def test_a_contact_sheet_is_a_row_of_frames_with_skeletons():
    clip = toy_clip.make_clip(0, 0, "train", num_frames=30)
    sheet = report_figures.contact_sheet(clip["frames"][::10], clip["poses"][::10])
    assert sheet.shape == (112, 3 * 64, 3) and sheet.dtype == np.uint8  # not enlarged
    for i in range(3):
        tile = poses.overlay(clip["frames"][10 * i], clip["poses"][10 * i])
        np.testing.assert_array_equal(sheet[:, 64 * i : 64 * (i + 1)], tile)
        assert (tile != clip["frames"][10 * i]).any()


@pytest.mark.parametrize(("size", "expected"), [
    ((896, 512), (224, 256)), ((360, 640), (224, 796)), ((5000, 3), (224, 2)),
])
def test_large_frames_are_scaled_down_and_then_drawn_on(size, expected):
    shown = np.zeros((2, 60, 3), np.float32)
    shown[:, 2:4] = (-0.3, 0.3, 1), (0.3, 0.3, 1)
    sheet = report_figures.contact_sheet(np.full((2, *size, 3), 200, np.uint8), shown)
    assert sheet.shape == (*expected, 3)
    if size[1] > 3:
        drawn = np.flatnonzero((sheet != 200).any(axis=(1, 2)))
        np.testing.assert_allclose(drawn[[0, -1]], 0.65 * 224, atol=3)  # 0.3 of half the height below the middle


@pytest.mark.parametrize(("pictures", "skeletons"), [(0, 0), (2, 3), (1, 0)])
def test_a_contact_sheet_needs_a_pose_for_each_picture(pictures, skeletons):
    with pytest.raises(ValueError, match=f"contact sheet: {pictures} pictures and {skeletons} poses; give as many"):
        report_figures.contact_sheet(np.zeros((pictures, 8, 8, 3), np.uint8), np.zeros((skeletons, 60, 3)))
