import dataclasses
import json

import pytest

from launch.reporting import entries
from tests import reports
from xdancer_jax.evals.protocols import Result


def test_a_runs_figures_are_those_of_its_newest_step(tmp_path):
    reports.run(tmp_path / "a", step=3)
    reports.run(tmp_path / "a", found=[dataclasses.replace(reports.BEATS, values={"score": 0.9})], step=6)
    reports.suite(tmp_path / "a", "motion", Result("fvd_poses_i3d", {}, {"distance": 5.0}), 6)
    reports.suite(tmp_path / "a", "motion", Result("jerk_2d_body", {}, {"jerk": 5.0}), 3)
    found = entries.read(str(tmp_path / "a"))
    assert (found.name, found.stage, found.step, found.label) == ("a", "motion", 6, "a, step 6")
    assert [(each.suite, each.result.protocol) for each in found.found] == [
        ("motion", "bas_masked_100ms"), ("motion", "fvd_poses_i3d"),
    ]  # fmt: skip
    assert found.found[0].result.values["score"] == 0.9
    assert {each.data for each in found.found} == {reports.DATA}
    assert found.found[1].command == "launch.evaluate --suite"


def test_a_run_without_figures_has_its_metrics(tmp_path):
    found = entries.read(reports.run(tmp_path / "a", found=()))
    assert (found.step, found.found, len(found.metrics)) == (None, [], 6)


def test_figures_of_another_system_have_no_step(tmp_path):
    reports.suite(tmp_path / "Hallo", "video", Result("psnr_float", {}, {"score": 20.0}), None)
    found = entries.read(str(tmp_path / "Hallo"))
    assert (found.stage, found.step, found.label, found.found[0].suite) == ("", None, "Hallo", "video")


def test_a_folder_of_neither_is_named(tmp_path):
    with pytest.raises(ValueError, match=f"{tmp_path}.*no work directory"):
        entries.read(str(tmp_path))


@pytest.mark.parametrize("content", ["", "[1]", '{"format": 2, "result": {}}', '{"format": 1, "result": {"x": 1}}'])
def test_a_damaged_figure_is_named(tmp_path, content):
    path = reports.suite(tmp_path, "video", Result("psnr_float", {}, {"score": 20.0}), None)
    path.write_text(content)
    with pytest.raises(ValueError, match=r"psnr_float.json.*measure it again"):
        entries.read(str(tmp_path))


@pytest.mark.parametrize("other", [{"data": "e" * 64}, {"split": "train"}])
def test_entries_of_different_data_are_named(tmp_path, other):
    one, two = (entries.read(reports.run(tmp_path / name, **fields)) for name, fields in (("a", {}), ("b", other)))
    with pytest.raises(ValueError, match=f"{tmp_path}/a and {tmp_path}/b were measured on different data"):
        entries.check_alike([one, two])
    entries.check_alike([one, one])


def test_a_figure_of_another_format_is_refused(tmp_path):
    reports.suite(tmp_path, "video", Result("psnr_float", {}, {"score": 20.0}), None, format=2)
    with pytest.raises(ValueError, match="format 2, and this version reads 1"):
        entries.read(str(tmp_path))


@pytest.mark.parametrize("field", ["clips", "frames", "seed"])
def test_so_are_those_of_other_parts_of_it(tmp_path, field):
    one, two = (
        entries.read(reports.run(tmp_path / str(n), found=[dataclasses.replace(reports.BEATS)], **{field: n}))
        for n in (1, 2)
    )
    with pytest.raises(ValueError, match=f"different data: {field} 1 and 2 for bas_masked_100ms"):
        entries.check_alike([one, two])
    entries.check_alike([one, entries.read(reports.run(tmp_path / "t", "tokenizer", [reports.POSES], **{field: 2}))])


def test_other_systems_clips_may_be_others(tmp_path):
    reports.suite(tmp_path / "Hallo", "motion", reports.BEATS, None, data="e" * 64)
    entries.check_alike([entries.read(reports.run(tmp_path / "a")), entries.read(str(tmp_path / "Hallo"))])


def test_the_newest_of_one_kind_counts(tmp_path):
    for value in (0.1, 0.2):
        reports.run(tmp_path / "a", found=[dataclasses.replace(reports.BEATS, values={"score": value})])
    (found,) = entries.read(str(tmp_path / "a")).found
    assert found.result.values["score"] == 0.2


def test_networks_are_part_of_what_a_figure_is(tmp_path):
    result = Result("fvd_videogpt", {}, {"distance": 9.0}, source={"networks": {"i3d": "a.pt 12"}})
    reports.suite(tmp_path / "a", "video", result, None)
    reports.suite(tmp_path / "b", "video", dataclasses.replace(result, source={"networks": {"i3d": "b.pt 34"}}), None)
    one, two = (entries.read(str(tmp_path / name)).found[0] for name in "ab")
    assert one.kind != two.kind and "a.pt 12" in one.kind


@pytest.mark.parametrize(
    "told", [{"source": {"networks": {"i3d": "random, seed 0"}}}, {"notes": ["fvd: random weights; a trial"]},
             {"source": {"weights": "random seed 0"}}],
)  # fmt: skip
def test_random_weights_are_known(tmp_path, told):
    reports.suite(tmp_path, "video", dataclasses.replace(Result("fvd_videogpt", {}, {"distance": 9.0}), **told), None)
    assert entries.read(str(tmp_path)).found[0].random


def test_data_that_is_not_stated_differs_from_none(tmp_path):
    reports.run(tmp_path / "a")
    path = reports.suite(tmp_path / "a", "motion", Result("jerk_2d_body", {}, {"jerk": 5.0}))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"data": None}))
    entries.check_alike([entries.read(str(tmp_path / "a"))])


def test_leading_figures_have_the_results_interval():
    assert entries.interval(reports.BEATS, "score") == (0.5, 0.7)
    assert entries.interval(reports.BEATS, "ground_truth") != entries.interval(reports.BEATS, "score")
