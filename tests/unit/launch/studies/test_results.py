import csv
import json
import math

import pytest

from launch.studies import answers, looking, results
from launch.studies import key as keys
from tests import studies
from xdancer_jax.evals import protocols


def voted(key, table):
    """Answers of raters (rows) to the beat of comparisons (letters): o ours, t theirs, = a tie, . none."""
    system = {"o": 0, "t": 1, "=": None}
    return [
        studies.answer(key, name, "beat", system[vote], rater=f"r{row}")
        for row, votes in enumerate(table)
        for name, vote in zip(("one", "two", "three"), votes, strict=True) if vote != "."
    ]  # fmt: skip


def test_shares_are_by_system_whatever_the_clips_are_called(key):
    [told] = results.measure(voted(key, ["oo=", "ott", "o.."]), key)
    assert (told.question, told.answers, told.raters, told.ties) == ("beat", 7, 3, 1)
    ours, theirs = told.shares
    assert ours.share == pytest.approx((2.5 / 3 + 1 / 3 + 1) / 3) and ours.chosen == 4
    assert theirs.share == pytest.approx(1 - ours.share) and theirs.chosen == 2
    # Pairs of raters of one comparison: three of "one" agree, one of "two" does not, one of "three" (a tie) does not.
    assert told.agreement.observed == pytest.approx(3 / 5)


def test_the_share_of_first_clips_is_that_of_the_page(key):
    turned = [one._replace(shown=(one.choice, *(clip for clip in one.shown if clip != one.choice))) for one in
              voted(key, ["oto"])]  # fmt: skip
    assert results.measure(turned, key)[0].first == 1
    assert results.measure(voted(key, ["==="]), key)[0].first == 0


def test_a_share_that_raters_do_not_have_by_chance_has_an_interval_above_it():
    many = studies.key(names=[str(n) for n in range(25)])
    found = [
        studies.answer(many, item.name, "overall", int((n + 3 * rater) % 20 >= 17), rater=f"r{rater}")
        for rater in range(12) for n, item in enumerate(many.items)
    ]
    share = results.measure(found, many)[0].shares[0]
    assert share.share == pytest.approx(0.85, abs=0.03) and share.over_raters.low > 0.75 < share.of_answers.low


@pytest.fixture
def folder(key, tmp_path):
    keys.save(key, tmp_path)
    (tmp_path / "answers").mkdir()
    found = voted(key, ["ooo", "oto"]) + [studies.answer(key, "one", "overall", 1, rater="alone")]
    (tmp_path / "answers" / "a.jsonl").write_text("".join(one.line() for one in found))
    return tmp_path


def test_results_are_lines_and_files(folder, key):
    lines = list(looking.look(str(folder), []))
    assert lines[0] == "3 raters, 2 of them with all 3 comparisons; by chance a system has 50.0%"
    assert lines[2].split()[:3] == ["beat", "ours", "83.3"] and lines[-3:] == [
        str(folder / name) for name in ("results.jsonl", "results.csv", "raters.csv")]  # fmt: skip
    told = (folder / "results.jsonl").read_text().splitlines()
    shares, alpha, alone, _ = protocols.parse(told, "results.jsonl")
    assert shares.protocol == "preference_share_over_raters" and shares.values["share/ours"] == pytest.approx(5 / 6)
    assert shares.counts["chosen/theirs"] == 1 and shares.source["question"] == "beat"
    assert alpha.protocol == "krippendorff_alpha_nominal" and alpha.counts["pairable"] == 6
    assert math.isnan(alone.values["over_raters_low/ours"]) and alone.values["share/ours"] == 0
    rows = list(csv.DictReader((folder / "results.csv").read_text().splitlines()))
    assert [(row["question"], row["system"], row["chosen"]) for row in rows] == [
        ("beat", "ours", "5"), ("beat", "theirs", "1"), ("overall", "ours", "0"), ("overall", "theirs", "1"),
    ]  # fmt: skip
    assert rows[2]["over_raters_low"] == "" and float(rows[0]["share"]) == pytest.approx(5 / 6)
    described = csv.DictReader((folder / "raters.csv").read_text().splitlines())
    assert [row["id"] for row in described] == ["alone", "r0", "r1"]


def test_a_rater_is_left_out_and_the_results_say_so(folder):
    lines = list(looking.look(str(folder), ["r1", "alone"]))
    assert lines[0].startswith("1 raters") and "100.0" in lines[2]
    assert json.loads((folder / "results.jsonl").read_text().splitlines()[0])["source"]["left_out"] == ["r1", "alone"]
    with pytest.raises(ValueError, match="no rater is left"):
        list(looking.look(str(folder), ["r0", "r1", "alone"]))


def test_a_cut_off_line_is_a_warning(folder, key):
    with (folder / "answers" / "a.jsonl").open("a") as file:
        file.write(studies.answer(key).line()[:30])
    assert next(looking.look(str(folder), [])).startswith("warning: ") and answers.read(str(folder), key).warnings
