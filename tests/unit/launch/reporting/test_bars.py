import json

from launch.reporting import bars as report
from xdancer_jax.evals.protocols import Result


def _results(psnr):
    errors = {"full_body": 0.02, "full_body/ratio": 0.12}
    return {
        "tokenizer": [
            Result("pose_l1_half_height", {}, errors),
            Result("codebook_use", {}, {"head/used": 0.4, "upper_body/used": 0.9, "head/perplexity": 3.0}),
        ],
        "tokenizer_single_part": [Result("pose_l1_half_height", {}, {"full_body": 0.04})],
        "motion": [Result("bas_masked_100ms", {}, {"fraction": 0.7})],
        "video": [Result("psnr", {}, {"score": psnr, "repeat_photo": 17.0})],
    }


def test_each_figure_is_held_against_its_bar():
    found = {row.figure: row for row in report.rows(_results(19.0))}
    assert [row.reached for row in found.values()] == [True, True, False, True, True]
    assert found["pose L1, multi-part / single-part"].value == 0.5
    assert not report.rows(_results(18.0))[-1].reached
    assert "NOT REACHED" in report.table(list(found.values()))


def test_the_report_keeps_the_protocols(tmp_path):
    results = _results(19.0)
    report.write(tmp_path / "report.json", report.rows(results), results, {"seconds": 1.0})
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["results"]["motion"][0]["protocol"] == "bas_masked_100ms"
    assert content["figures"][0]["reached"] is True and content["seconds"] == 1.0
