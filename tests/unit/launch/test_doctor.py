"""launch.doctor as a user runs it."""

import pytest

from launch.checks import listing
from launch.checks.findings import FAIL, OK, WARN, Finding
from tests import command_line, processes


def doctor(*arguments):
    return command_line.run("launch.doctor", *arguments)


def test_a_machine_alone():
    done = doctor()
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("ok   processes    one, ") and "\na run can start here" in done.stdout


def test_what_a_run_needs(data, tmp_path):
    given = ("--config=configs/tokenizer.py:tiny", f"--workdir={tmp_path}/run", f"--config.data.dir={data}")
    done = doctor(*given)
    assert done.returncode == 0 and "an example: poses 16x60x3" in done.stdout, done.stdout
    done = doctor(*given, "--config.mesh.fsdp=64", "--config.data.eval_split=none")
    assert done.returncode == 1 and done.stdout.endswith("no run can start here: mesh, data\n"), done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("state", "status", "verdict"), [
    (OK, 0, "a run can start here"), (WARN, 0, "a run can start here; warnings: x"),
    (FAIL, 1, "no run can start here: x"),
])
def test_the_status_says_whether_a_run_can_start(monkeypatch, state, status, verdict):
    monkeypatch.setattr(listing, "found", lambda *given: iter([Finding("x", state, "found", "do")]))
    done = doctor()
    first, line, last = done.stdout.splitlines()
    assert (done.returncode, line, last) == (status, f"{state:<4} x            found; do", verdict)


def test_half_a_group_is_a_line():
    done = doctor("--num_processes=2")
    assert done.returncode == 1 and done.stdout.startswith("FAIL processes    --coordinator is missing: give all of")
    assert "tensorboard" in done.stdout and "\nno run can start here: processes" in done.stdout


def test_help_describes_it():
    done = doctor("--help")
    assert done.returncode == 0 and "Can a run start here?" in done.stdout and "--workdir" in done.stdout


@pytest.mark.process
def test_two_processes_tell_what_they_do_not_share(data, tmp_path):
    statuses, out, err = processes.run(
        "launch.doctor", "--config=configs/tokenizer.py:tiny", "--config.mesh.data=2", f"--config.data.dir={data}",
        of_second=[f"--workdir={tmp_path}/a[1]"],
    )
    assert statuses == [1, 1], err
    assert "ok   processes    2, told by flags; coordinator localhost:" in out[0]
    assert "ok   mesh         data 2; 16 of 32 examples a device" in out[0]
    assert "FAIL storage      process 1: " in out[0] and "no run can start here: storage" in out[0]
    assert out[1] == ""
