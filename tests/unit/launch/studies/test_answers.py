import json

import pytest

from launch.studies import answers
from tests import studies


def test_an_answer_comes_back_from_its_line(key):
    answer = studies.answer(key)
    assert answer.line().endswith("}\n") and answers.checked(answers.parse(answer.line()), key) == answer
    assert studies.answer(key, system=None).choice == "same"


@pytest.mark.parametrize("changes", [
    {"study": "0" * 16}, {"rater": "../up"}, {"rater": ""}, {"rater": "a" * 41}, {"rater": 3}, {"rater": "a\n"},
    {"item": "one"}, {"item": ["x"]}, {"question": "price"}, {"question": []}, {"choice": "ours"}, {"choice": []},
    {"shown": ["x", "y"]}, {"shown": []}, {"shown": "ab"}, {"shown": [1, 2]}, {"at": -1}, {"at": 1.5}, {"at": True},
    {"at": 10**15}, {"seconds": -0.1}, {"seconds": "1"}, {"seconds": None}, {"seconds": float("inf")},
    {"seconds": float("nan")}, {"watched": [1]}, {"watched": [1, 1.1]}, {"watched": 1}, {"more": 1},
])  # fmt: skip
def test_what_the_page_does_not_send_is_refused(key, changes):
    with pytest.raises(ValueError):
        answers.checked(studies.record(key) | changes, key)


def test_what_was_shown_is_the_comparison(key):
    record = studies.record(key)
    of_another = studies.record(key, "two")["shown"]
    for shown in (record["shown"][:1], record["shown"] * 2, [record["choice"]] * 2, of_another):
        with pytest.raises(ValueError, match="shown: not the clips"):
            answers.checked(record | {"shown": shown, "choice": "same", "watched": [1.0] * len(shown)}, key)


@pytest.mark.parametrize("text", ["[NaN]", "[Infinity]", "[" * 100_000, "{", "", b"\xff"])
def test_only_strict_json_is_read(text):
    with pytest.raises(ValueError):
        answers.parse(text)


def test_the_latest_answer_counts_whichever_file_it_is_in(key, tmp_path):
    (tmp_path / "answers").mkdir()
    old, new = studies.answer(key, system=0, at=5), studies.answer(key, system=1, at=6)
    other = studies.answer(key, system=1, rater="r2")
    (tmp_path / "answers" / "a.jsonl").write_text(new.line() + other.line())
    (tmp_path / "answers" / "served.jsonl").write_text("\n" + old.line() + other.line())
    assert answers.read(str(tmp_path), key) == ([new, other], [])
    assert answers.read(str(tmp_path), key, ["r2"]).answers == [new]
    with pytest.raises(ValueError, match="--leave_out=r3: no answer is of this rater"):
        answers.read(str(tmp_path), key, ["r3"])


def test_a_last_line_that_was_cut_off_is_left_out_and_no_other(key, tmp_path):
    (tmp_path / "answers").mkdir()
    path = tmp_path / "answers" / "served.jsonl"
    line = studies.answer(key).line()
    path.write_text(line + line[:50])
    found = answers.read(str(tmp_path), key)
    assert len(found.answers) == 1 and found.warnings == [f"{path}, line 2: cut off, left out"]
    path.write_text(line.rstrip("\n"))  # nothing is missing but the end
    assert answers.read(str(tmp_path), key).answers == found.answers
    for wrong in (line[:50] + "\n" + line, line + json.dumps(studies.record(key, study="0" * 16))):
        path.write_text(wrong)
        with pytest.raises(ValueError, match=r"served.jsonl, line [12]: not an answer to this study .*; take it out"):
            answers.read(str(tmp_path), key)


def test_no_answers_are_told(key, tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no answers yet"):
        answers.read(str(tmp_path), key)
