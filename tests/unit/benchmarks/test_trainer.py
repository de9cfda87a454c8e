"""The measures at the sizes of a test: each gives its line and its figures; whether a bar is met they do not say."""

import json

import pytest

from tests import command_line


def measured(out, *parts):
    done = command_line.run(
        "benchmarks.trainer", f"--out={out}", "--brief", *(f"--part={part}" for part in parts)
    )
    assert done.returncode == 0, done.stderr
    return done, json.loads(out.read_text())


def test_overhead_is_measured(tmp_path):
    done, found = measured(tmp_path / "a.json", "overhead")
    assert done.stdout.startswith("overhead: log_every=1 ") and "at most 2%: " in done.stdout
    each = found["overhead"]["log_every_1"]
    assert each["outside_seconds"] > each["computing_seconds"] / 10 > 0  # the clock's, and this thread's
    assert {"put_batch", "read", "write", "account"} <= each["microseconds_a_step"].keys()


def test_a_stall_is_measured(tmp_path):
    done, found = measured(tmp_path / "a.json", "stall")
    each = found["stall"]["toy"]
    assert each["stall_seconds"] >= sum(each["seconds"].values()) > 0 and each["write_seconds"] > 0
    assert each["megabytes"] == pytest.approx(3 * 2 * 64 * 64 * 4 / 1e6, rel=0.01)


@pytest.mark.process
def test_parts_run_in_processes_of_their_own(tmp_path):
    _, found = measured(tmp_path / "a.json", "memory", "collectives")
    assert found["collectives"]["tokenizer:tiny data 2"]["megabytes_sent"] > 1
    assert {"start 1", "restore 1"} < found["memory"].keys()
    assert found["memory"]["restore 1"][0]["held"] > 3 * 4 * 256 * 1024 * 4
