"""A user study in a report: its shares are those of launch.study --results, under the names of the systems."""

import json

import pytest

from launch.reporting import preferences, writing
from launch.studies import key as keys
from tests import studies


@pytest.fixture
def study(tmp_path):
    """Four raters on two comparisons of one question: three times "ours" of four, a tie, then "theirs" throughout."""
    key, folder = studies.key(("one", "two")), tmp_path / "study"
    (folder / "answers").mkdir(parents=True)
    keys.save(key, folder)
    chosen = {"r1": (0, 0), "r2": (0, None), "r3": (0, 0), "r4": (1, 1)}
    lines = [
        json.dumps(studies.record(key, name, "beat", system, rater)) + "\n"
        for rater, systems in chosen.items() for name, system in zip(("one", "two"), systems, strict=True)
    ]  # fmt: skip
    (folder / "answers" / "r.jsonl").write_text("".join(lines))
    return folder


def test_shares_stand_by_system_and_question(study):
    found = preferences.table(str(study), 1)
    assert [head.name for head in found.heads] == ["beat, %"]
    (ours, [first]), (theirs, [second]) = found.rows
    assert (ours, theirs) == ("ours", "theirs")
    assert first.value == pytest.approx(100 * (1 + 0.75 + 1 + 0) / 4) and second.value == pytest.approx(31.25)
    assert first.low < first.value < first.high
    assert "8 answers of 4 raters, 1 ties" in found.notes[1] and "72.8%" in found.notes[-1]


def test_a_report_has_it(study, tmp_path):
    written = writing.write(tmp_path / "report.html", writing.gather([], [], [], 0, 60, [str(study)]))
    text = written[0].read_text()
    assert 'id="studies"' in text and "User study of ours, theirs" in text and "68.75" in text
    assert "study_1.csv" in {path.name for path in written}


def test_a_study_without_answers_or_none_at_all_is_named(study, tmp_path):
    (study / "answers" / "r.jsonl").unlink()
    with pytest.raises(FileNotFoundError, match="holds no answers yet"):
        writing.write(tmp_path / "report.html", writing.gather([], [], [], 0, 60, [str(study)]))
    with pytest.raises(FileNotFoundError, match="nothing"):
        writing.write(tmp_path / "report.html", writing.gather([], [], [], 0, 60, [str(tmp_path / "nothing")]))
    assert not (tmp_path / "report.html").exists()
