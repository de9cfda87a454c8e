"""The server as a process: what is stored when it is killed, and that it starts again."""

import contextlib
import json
import re
import signal
import subprocess
import sys
import urllib.request

import pytest

from launch.studies import key as keys
from tests import command_line, studies


@contextlib.contextmanager
def started(study):
    """Process, its address, and what it printed before."""
    command = [sys.executable, "-m", "launch.study", f"--out={study}", "--serve", "--port=0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=command_line.ROOT, **pipes) as run:
        before = ""
        for line in run.stdout:
            if found := re.match(r"raters open (http://127.0.0.1:\d+)/; Ctrl-C ends", line):
                break
            before += line
        try:
            yield run, found[1], before
        finally:
            run.kill()
            run.communicate()


def send(address, key, rater):
    with urllib.request.urlopen(f"{address}/session") as answer:
        token = json.load(answer)["token"]
    headers = {"Content-Type": "application/json", "Origin": address, "X-Study-Token": token}
    body = json.dumps([studies.record(key, rater=rater)]).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{address}/answers", body, headers)) as answer:
        return json.load(answer)


@pytest.mark.process
def test_a_killed_server_keeps_what_it_acknowledged_and_starts_again(study):
    key, file = keys.load(str(study)), study / "answers" / "served.jsonl"
    with started(study) as (run, address, _):
        assert send(address, key, "r1") == {"stored": 1}
        run.send_signal(signal.SIGKILL)
        run.wait()
    with file.open("a") as torn:
        torn.write(studies.answer(key, rater="r2").line()[:40])
    with started(study) as (run, address, before):
        assert before == f"{file}: a last line that was cut off is taken out (40 bytes)\n"
        assert send(address, key, "r3") == {"stored": 1}
        run.send_signal(signal.SIGTERM)
        assert run.wait(10) == 143 and run.stderr.read() == "interrupted\n"
    assert [json.loads(line)["rater"] for line in file.read_text().splitlines()] == ["r1", "r3"]
