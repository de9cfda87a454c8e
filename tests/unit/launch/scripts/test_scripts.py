"""The shell scripts with fakes of srun, scontrol and gcloud on the PATH, which note how they were called."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from launch.shell import signals
from tests import command_line

SCRIPTS = sorted((command_line.ROOT / "launch" / "scripts").glob("*.sh"))
pytestmark = pytest.mark.process


@pytest.fixture
def fakes(tmp_path):
    """fakes(name, statuses): a program that ends with these in turn, then with the last one."""
    def make(name, *statuses):
        path = tmp_path / name
        path.write_text(
            f'#!/usr/bin/env bash\nprintf "%s\\0" {name} "$@" >> {tmp_path}/called; echo >> {tmp_path}/called\n'
            f'count=$(grep -ac "^{name}" {tmp_path}/called)\nstatuses=({" ".join(map(str, statuses))})\n'
            'exit "${statuses[count - 1]:-${statuses[-1]}}"\n'
        )
        path.chmod(0o755)

    return make


@pytest.fixture
def run(tmp_path):
    """run(script, arguments, environment): (status, [[program, argument, ...]], stderr)."""
    def play(script, *arguments, **environment):
        done = subprocess.run(
            [command_line.ROOT / "launch" / "scripts" / script, *arguments], capture_output=True, text=True, timeout=60,
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}", **environment}, cwd=tmp_path, check=False,
        )
        called = (tmp_path / "called").read_text() if (tmp_path / "called").exists() else ""
        return done.returncode, [line.split("\0")[:-1] for line in called.splitlines()], done.stderr

    return play


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_short_executable_bash(script):
    assert script.stat().st_mode & 0o111 and len(script.read_text().splitlines()) < 40
    done = subprocess.run(["bash", "-n", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_there_are_scripts():
    assert [path.name for path in SCRIPTS] == ["slurm.sh", "tpu_vm.sh"]


GIVEN = ("launch.train", "--workdir=a b", "--config.data.dir=$HOME;x")
STARTED = ["srun", "--kill-on-bad-exit=0", ".venv/bin/python", "-m", *GIVEN]


@pytest.mark.parametrize("status", [0, 1, 137, 143])
def test_slurm_passes_on_how_training_ended(fakes, run, status):
    fakes("srun", status)
    fakes("scontrol", 0)
    assert run("slurm.sh", *GIVEN, SLURM_JOB_ID="41") == (status, [STARTED], "")


@pytest.mark.parametrize("refused", [0, 1])
def test_slurm_queues_again_what_was_interrupted(fakes, run, refused):
    fakes("srun", signals.RESUMABLE)
    fakes("scontrol", refused)
    assert run("slurm.sh", *GIVEN, SLURM_JOB_ID="41") == (refused, [STARTED, ["scontrol", "requeue", "41"]], "")


def test_slurm_signals_processes_and_not_the_script_before_the_limit():
    options = [line.split(maxsplit=1)[1] for line in Path(SCRIPTS[0]).read_text().splitlines() if "#SBATCH" in line]
    assert "--signal=TERM@300" in options and "--requeue" in options and "--open-mode=append" in options


@pytest.mark.parametrize("statuses", [[0], [1], [255], [75, 0], [75, 75, 1]])
def test_a_slice_starts_again_what_was_interrupted(fakes, run, statuses):
    fakes("gcloud", *statuses)
    status, called, _ = run("tpu_vm.sh", *GIVEN, TPU="pod", ZONE="z")
    assert status == statuses[-1] and len(called) == len(statuses)
    for program, *words, command in called:
        assert [program, *words] == [
            "gcloud", "compute", "tpus", "tpu-vm", "ssh", "pod", "--zone=z", "--worker=all",
        ]
        assert shlex.split(command.removeprefix("--command=")) == [
            "cd", "xdancer_jax", "&&", ".venv/bin/python", "-m", *GIVEN,
        ]


@pytest.mark.parametrize("environment", [{"TPU": "pod"}, {"ZONE": "z"}])
def test_a_slice_needs_name_and_zone(fakes, run, environment):
    fakes("gcloud", 0)
    status, called, told = run("tpu_vm.sh", *GIVEN, **environment)
    assert status != 0 and called == [] and "give " in told
