"""docs/launch.md names what there is."""

import importlib.util
import re
import shlex

import pytest

from launch import stages
from tests import command_line

TEXT = (command_line.ROOT / "docs" / "launch.md").read_text()
RUNS = re.findall(r"^RUN='(.*)'$", TEXT, re.MULTILINE)


def test_commands_scripts_and_configs_are_there():
    commands = set(re.findall(r"\blaunch\.\w+", TEXT))
    assert {"launch.doctor", "launch.acceptance", "launch.train"} <= commands
    assert [name for name in commands if importlib.util.find_spec(name) is None] == []
    named = re.findall(r"\b(?:launch/scripts/\w+\.sh|docs/\w+\.md|configs/\w+\.py)", TEXT)
    assert named and [name for name in named if not (command_line.ROOT / name).exists()] == []
    assert set(re.findall(r"--config[ =]configs/(\w+)\.py", TEXT)) <= {*stages.names(), "data"}


@pytest.mark.parametrize("given", RUNS)
def test_the_flags_of_a_run_are_those_of_train(given):
    for command in ("launch.train", "launch.doctor"):
        assert command_line.run(command, *shlex.split(given), "--help").returncode == 0
        done = command_line.run(command, *shlex.split(given), "--config.none=1", "--help")
        assert done.returncode == 1 and "config.none" in done.stderr


def test_there_is_a_run_for_slices_and_one_for_slurm():
    assert [re.search(r"--workdir (\S+:/|/)", run)[1] for run in RUNS] == ["gs:/", "/"]
