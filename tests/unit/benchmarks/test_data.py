"""The command at the sizes of a test: each part gives its line, its table and its figures."""

import json
import sys

import pytest

from tests import command_line

data = command_line.imported("benchmarks.data")
del sys.modules["benchmarks.data"]  # runpy warns where what it runs was imported before


@pytest.mark.process
def test_parts_run_in_processes_of_their_own_with_one_thread(tmp_path):
    out = tmp_path / "a.json"
    done = command_line.run("benchmarks.data", f"--out={out}", "--brief", "--what=features,records", "--repeats=2")
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert found["features"]["sizes"]["repeats"] == found["records"]["sizes"]["repeats"] == 2
    assert found["features"]["rows"][0]["cores"] < 1.3
    lines = done.stdout.splitlines()
    assert lines[0].startswith("features: ") and "20 times real time and no slower than librosa: " in lines[0]
    assert lines[1].split()[:2] == ["song", "seconds"] and lines[2].startswith("toy ")
    assert "records: bytes read over bytes used: appearance by 1 " in done.stdout


def test_sizes_are_those_that_a_part_takes_and_that_were_given():
    chosen = data.sizes("memory", False, minutes=3.0, copies=7, video=None, repeats=None)
    assert chosen.minutes == 3 and chosen.video == "" and not hasattr(chosen, "copies")
    assert data.sizes("preparation", True, copies=7).copies == 7


def test_what_is_not_there_is_named(tmp_path):
    done = command_line.run("benchmarks.data", "--what=features,speed")
    assert done.returncode == 1 and "--what=features,speed: choose of features, loaders" in done.stderr
    done = command_line.run("benchmarks.data", "--what=features", f"--song={tmp_path / 'no.ogg'}")
    assert done.returncode == 1 and "no.ogg" in done.stderr


def test_columns_of_a_table_stand_below_each_other():
    assert data.table([{"a": 1, "long": 0.123456}, {"a": 22222, "long": 3.0}]) == (
        "a      long\n1      0.1235\n22222  3"
    )
