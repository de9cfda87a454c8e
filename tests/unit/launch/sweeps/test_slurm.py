import json
import re

import pytest
from ml_collections import ConfigDict

from launch.sweeps import slurm, state
from launch.sweeps.state import Measured


@pytest.fixture
def cluster():
    return ConfigDict({
        "partition": "gpu", "account": "", "nodes": 2, "gpus_per_node": 4, "cpus_per_task": 8, "memory_gb": 200,
        "time_minutes": 60, "requeues": 5, "signal_seconds": 120, "array_parallelism": 0,
        "setup": ("source .venv/bin/activate",),
    })


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A cluster of shell scripts: sbatch keeps what it is given, squeue tells what is in the file queued."""
    (tmp_path / "bin").mkdir()
    scripts = {
        "sbatch": f'n=$(ls {tmp_path}/given* 2>/dev/null | wc -l); cp "$1" {tmp_path}/given$n\n'
                  'echo "Submitted batch job $((100 + n))"',
        "squeue": f"cat {tmp_path}/queued 2>/dev/null || true", "srun": "exit 0",
    }
    for name, text in scripts.items():
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return tmp_path


def submit(trials, out, cluster, executor="slurm"):
    told = []
    return slurm.submit(trials, str(out), Measured(), cluster, told.append, executor), told


def test_the_sbatch_file_says_what_the_cluster_config_says(make, cluster, tmp_path):
    text = slurm.render([make("a"), make("b")], str(tmp_path), cluster)
    for line in ("--partition=gpu", "--nodes=2", "--ntasks-per-node=4", "--gpus-per-node=4", "--cpus-per-task=8",
                 "--mem=200GB", "--time=60", "--signal=USR2@120", "--requeue", "--array=0-1%2"):
        assert f"#SBATCH {line}\n" in text
    assert "account" not in text and "dependency" not in text
    assert text.index("source .venv/bin/activate") < text.index("srun")


def test_runs_go_into_arrays_behind_what_they_stand_on(make, cluster, fake):
    trials = [make("a"), make("b"), make("c", parents=["a"]), make("d", parents=["a"]), make("e", parents=["c", "b"])]
    jobs, told = submit(trials, fake, cluster)
    files = [(fake / f"given{number}").read_text() for number in range(3)]
    assert [re.findall(r"--(?:array|dependency)=(\S+)", text) for text in files] == [
        ["0-1%2"], ["0-1%2", "afterok:100_0"], ["afterok:101_0:100_1"],
    ]
    assert "kill-on-invalid-dep=yes" in files[1] and "kill-on-invalid-dep" not in files[0]
    assert [job.job_id for job in jobs] == ["100_0", "100_1", "101_0", "101_1", "102"]
    assert [state.notes(trial, str(fake))[-1]["job"] for trial in trials] == [job.job_id for job in jobs]
    assert len(told) == 3


def test_what_is_queued_is_not_queued_again_and_what_was_lost_is(make, cluster, fake):
    trials = [make("a"), make("b", parents=["a"])]
    submit(trials, fake, cluster)
    (fake / "queued").write_text("100\n")
    jobs, told = submit(trials, fake, cluster)
    assert [job.job_id for job in jobs] == ["102"], "b's job has gone, a's has not"
    assert "a: is queued already, job 100" in told
    assert "--dependency=afterok:100\n" in (fake / "given2").read_text()


def test_finished_runs_are_not_queued(make, cluster, fake):
    (fake / "a" / "checkpoints" / "5").mkdir(parents=True)
    (fake / "a" / "evaluation.jsonl").write_text(
        '{"protocol": "p", "constants": {}, "values": {}, "counts": {}, "source": {"step": 5}}\n'
    )
    jobs, _ = submit([make("a"), make("b", parents=["a"])], fake, cluster)
    assert len(jobs) == 1 and "dependency" not in (fake / "given0").read_text()


def test_without_slurm_it_is_one_line(make, cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="--backend=slurm: no sbatch here"):
        submit([make("a")], tmp_path, cluster)


def test_a_queue_that_does_not_answer_is_one_line(make, cluster, fake):
    (fake / "bin" / "squeue").write_text("#!/bin/sh\necho down >&2; exit 1\n")
    with pytest.raises(ValueError, match="squeue failed: down"):
        submit([make("a")], fake, cluster)


def ended(job):
    """Result of a job of submitit's local executor, whose process is gone then."""
    try:
        return job.result()
    finally:
        job._process.wait()


def events(tmp_path, name):
    lines = map(json.loads, (tmp_path / name / state.NAME).read_text().splitlines())
    return [(each["work"], each["event"]) for each in lines if each["work"] != "submit"]


@pytest.mark.process
def test_a_job_trains_and_evaluates(make, cluster, data, tmp_path):
    (job,), _ = submit([make("a", data=data)], tmp_path, cluster, "local")
    assert ended(job) == "a"
    assert events(tmp_path, "a") == [(work, event) for work in ("train", "evaluate") for event in ("began", "ended")]


@pytest.mark.process
def test_before_the_time_limit_a_job_saves_and_is_queued_again(make, cluster, data, tmp_path):
    cluster.update(time_minutes=1, signal_seconds=57)  # the signal comes after three seconds
    (job,), _ = submit([make("a", "hang", data=data)], tmp_path, cluster, "local")
    assert ended(job) == "a"
    assert (tmp_path / "a" / "train.starts").read_text() == "xx"
    assert (tmp_path / "a" / "saved").exists(), "SIGTERM came"


@pytest.mark.process
def test_a_job_that_fails_says_what_did(make, cluster, tmp_path):
    (job,), _ = submit([make("a", "fail")], tmp_path, cluster, "local")
    with pytest.raises(Exception, match="a: train ended with status 1"):
        ended(job)
    assert state.seen(make("a"), str(tmp_path)).state == "failed"
