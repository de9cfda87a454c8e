"""python -m launch.study, as typed."""

import json

import pytest

from launch.studies import serving
from tests import command_line, studies


def study(*arguments):
    return command_line.run("launch.study", *arguments)


def test_a_study_from_videos_to_results(videos, tmp_path):
    out = f"--out={tmp_path}/study"
    done = study(f"--videos={videos[0]}", f"--videos={videos[1]}", out, "--seed=3")
    assert done.returncode == 0, done.stderr
    assert f"3 comparisons of 2 systems: {tmp_path}/study/page/index.html" in done.stdout
    assert "seed 3" in (tmp_path / "study" / "key.json").read_text()
    done = study(out, "--results")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1) and "holds no answers yet" in done.stderr
    from launch.studies import key as keys

    key = keys.load(str(tmp_path / "study"))
    answers = [studies.record(key, rater=rater) for rater in ("r1", "r2")]
    (tmp_path / "study" / "answers" / "r.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in answers))
    done = study(out, "--results", "--leave_out=r2")
    assert done.returncode == 0 and done.stdout.startswith("1 raters"), done.stderr


def test_serve_hands_on_its_flags(monkeypatch):
    given = []
    monkeypatch.setattr(serving, "serve", lambda *arguments: given.append(arguments) or [])
    assert study("--out=s", "--serve").returncode == 0
    assert study("--out=s", "--serve", "--host=::1", "--port=9", "--origin=https://a.example").returncode == 0
    assert given == [("s", "127.0.0.1", 8000, None), ("s", "::1", 9, "https://a.example")]


@pytest.mark.parametrize(("arguments", "told"), [
    ((), "give one of --videos (once for each system), --serve and --results"),
    (("--serve", "--results"), "give one of --videos"), (("--videos=a",), "--videos: given 1 times"),
    (("--results", "--port=9"), "--port: only with --serve"), (("--serve", "--seed=9"), "--seed: only with --videos"),
    (("--serve",), "nowhere: holds no study; make it with --videos DIR --videos DIR"),
    (("--serve", "--port=70000"), "port"),
])  # fmt: skip
def test_what_cannot_be_done_is_one_line(arguments, told):
    done = study("--out=nowhere", *arguments)
    assert done.returncode == 1 and told in done.stderr and done.stderr.count("\n") == 1
