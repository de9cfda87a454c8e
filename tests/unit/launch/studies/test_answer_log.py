import os
import threading
import time

import pytest

from launch.studies import answer_log
from launch.studies.answer_log import AnswerLog
from tests import studies


@pytest.fixture
def log(tmp_path):
    made = AnswerLog(tmp_path / "served.jsonl")
    yield made
    made.close()


def test_answers_of_many_at_once_are_whole_lines(key, log, tmp_path, monkeypatch):
    write = os.write

    def slow(file, content):
        time.sleep(1e-4)  # others run
        return write(file, bytes(content[:700]))

    monkeypatch.setattr(os, "write", slow)

    def rate(rater):
        for name in ("one", "two", "three"):
            log.append([studies.answer(key, name, question, rater=rater) for question in key.questions])

    threads = [threading.Thread(target=rate, args=(f"r{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = (tmp_path / "served.jsonl").read_text().splitlines(keepends=True)
    wanted = [
        studies.answer(key, name, question, rater=f"r{n}").line()
        for n in range(4) for name in ("one", "two", "three") for question in key.questions
    ]
    assert sorted(lines) == sorted(wanted)


def test_a_full_disk_leaves_whole_answers_alone(key, log, tmp_path, full_disk):
    answers = [studies.answer(key)] * 10
    with pytest.raises(OSError):
        for _ in range(100):
            log.append(answers)
    content = (tmp_path / "served.jsonl").read_text()
    assert content.endswith("\n") and content.count("\n") % 10 == 0 and len(content) > 8000


def test_a_write_in_two_parts_is_gone_on_with(key, log, tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, content: write(file, bytes(content[:100])))
    log.append([studies.answer(key)] * 2)
    assert (tmp_path / "served.jsonl").read_text() == studies.answer(key).line() * 2


def test_the_file_has_a_largest_size(key, log, tmp_path, monkeypatch):
    monkeypatch.setattr(answer_log, "_LARGEST", round(1.5 * len(studies.answer(key).line())))
    log.append([studies.answer(key)])
    with pytest.raises(OSError, match="as large as it may be"):
        log.append([studies.answer(key)])
    assert (tmp_path / "served.jsonl").read_text() == studies.answer(key).line()


@pytest.mark.parametrize(("cut", "left", "repaired"), [(50, "", 50), (-1, "whole", 0), (0, "", 0)])
def test_a_last_line_without_its_end_is_repaired(key, tmp_path, cut, left, repaired):
    line = studies.answer(key).line()
    (tmp_path / "served.jsonl").write_text(line + line[:cut])
    log = AnswerLog(tmp_path / "served.jsonl")
    assert log.repaired == repaired
    log.append([studies.answer(key)])
    log.close()
    assert (tmp_path / "served.jsonl").read_text() == line * (3 if left else 2)


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "served.jsonl").mkdir()
    with pytest.raises(OSError, match=r"cannot write: .*served.jsonl"):
        AnswerLog(tmp_path / "served.jsonl")
