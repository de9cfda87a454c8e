"""Where runs go, by what launch.sweep is told."""

import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from launch.sweeps import state, trials
from tests import command_line

BASE = ["--config=configs/motion.py:tiny", "--sweep=configs/sweeps/ablations.py:tiny_motion"]
GKE = ["--cluster=configs/cluster.py:gke_tpu", "--cluster.image=registry/x:1", "--config.data.dir=gs://bucket/data"]


def sweep(*arguments, out="gs://bucket/sweep"):
    return command_line.run("launch.sweep", *BASE, f"--out={out}", *arguments)


def test_print_shows_commands_in_an_order_in_which_they_can_be_run(tmp_path):
    done = sweep("--backend=print", "--config.data.dir=DATA", out="o")
    lines = [shlex.split(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and len(lines) == 2 * 15
    made = set()
    for line in lines:
        workdir = next(each.split("=", 1)[1] for each in line if each.startswith(("--workdir=", "--run=")))
        needed = [each.partition("run:")[2] for each in line if "source=run:" in each]
        assert made.issuperset(needed)
        made.add(workdir)


@pytest.mark.parametrize("cluster, told", [
    (["--cluster=configs/cluster.py:slurm"], "#SBATCH --array=0-2%3"),
    (GKE[:2], "kind: JobSet"),
    (["--cluster=configs/cluster.py:tpu_vm", "--cluster.name=n", "--cluster.zone=z"], "tpu-vm ssh n"),
])
def test_print_shows_what_a_cluster_would_be_given(cluster, told):
    done = sweep("--backend=print", "--config.data.dir=gs://bucket/data", *cluster)
    assert done.returncode == 0, done.stderr
    assert told in done.stdout


def test_gke_renders_runs_by_what_they_stand_on_without_a_look_at_the_store(tmp_path):
    done = sweep("--backend=gke", f"--render={tmp_path}/r", *GKE)
    assert done.returncode == 0, done.stderr
    assert [len(list((tmp_path / "r" / wave).glob("*.yaml"))) for wave in ("0", "1")] == [3, 12]
    for path in (tmp_path / "r" / "0").glob("*.yaml"):
        script = yaml.safe_load(path.read_text())["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"][
            "containers"][0]["command"][2]
        assert "launch.train" in script and "--clips=0" in script


def test_slurm_renders_arrays(tmp_path):
    done = sweep("--backend=slurm", "--cluster=configs/cluster.py:slurm", f"--render={tmp_path}/r",
                 "--config.data.dir=/data", out=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert ["--array=0-2%3" in (tmp_path / "r" / "0.sbatch").read_text(),
            "--array=0-11%12" in (tmp_path / "r" / "1.sbatch").read_text()] == [True, True]
    for wave in ("0", "1"):
        subprocess.run(["bash", "-n", tmp_path / "r" / f"{wave}.sbatch"], check=True)


@pytest.mark.process
def test_gke_applies_what_can_be_begun_and_then_what_stands_on_it(store, tmp_path, monkeypatch):
    kubectl = tmp_path / "bin" / "kubectl"
    kubectl.parent.mkdir()
    kubectl.write_text(f"#!/bin/sh\ncat >> {tmp_path}/applied\n")
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{kubectl.parent}:/usr/bin:/bin")
    state.paths.put(state.paths.at("gs://bucket/data/x"), b"")
    monkeypatch.setattr(state, "_setting", lambda *unused: {})
    first = sweep("--backend=gke", *GKE)
    assert first.returncode == 0, first.stderr
    assert len(first.stdout.split()) == 3 and "0 finished, 3 given, 12 stand on others" in first.stderr
    (tokenizer, *_) = [name for name in _ids() if name.startswith("tokenizer")]
    state.paths.put(state.paths.at(f"gs://bucket/sweep/{tokenizer}/checkpoints/500/x"), b"")
    second = sweep("--backend=gke", *GKE)
    assert "0 finished, 7 given, 8 stand on others" in second.stderr
    applied = list(yaml.safe_load_all((tmp_path / "applied").read_text()))
    assert len(applied) == 3 + 7


def _ids():
    from launch.sweeps import sweep_files

    overrides = sweep_files.load("configs/sweeps/ablations.py:tiny_motion")
    return [trial.id for trial in trials.plan("configs/motion.py:tiny", {"data.dir": "gs://bucket/data"}, overrides)]


@pytest.mark.process
def test_tpu_vm_runs_one_after_the_other_what_is_ready(store, tmp_path, monkeypatch):
    gcloud = tmp_path / "bin" / "gcloud"
    gcloud.parent.mkdir()
    gcloud.write_text(f"#!/bin/sh\necho \"$*\" >> {tmp_path}/given\nexit 3\n")
    gcloud.chmod(0o755)
    monkeypatch.setenv("PATH", f"{gcloud.parent}:/usr/bin:/bin")
    state.paths.put(state.paths.at("gs://bucket/data/x"), b"")
    cluster = ["--cluster=configs/cluster.py:tpu_vm", "--cluster.name=n", "--cluster.zone=z",
               "--config.data.dir=gs://bucket/data"]
    shown = sweep("--backend=tpu_vm", *cluster)
    assert shown.stdout.count("gcloud compute tpus") == 3 and not (tmp_path / "given").exists()
    done = sweep("--backend=tpu_vm", "--execute", *cluster)
    assert done.returncode == 1 and "3 runs failed" in done.stderr
    assert len((tmp_path / "given").read_text().splitlines()) == 3


@pytest.mark.parametrize("arguments, told", [
    (["--backend=gke"], "--backend=gke needs --cluster=configs/cluster.py:VARIANT"),
    (["--backend=gke", "--cluster=configs/cluster.py:slurm"], "this cluster is for --backend=slurm"),
    (["--backend=gke", *GKE[:2], "--config.data.dir=/data", "--render=r"], "do not see it; copy it to gs://"),
    (["--render=r"], "--render: only with --backend=slurm or gke"),
    (["--backend=slurm", "--cluster=configs/cluster.py:slurm", "--execute"], "--execute: only with --backend=tpu_vm"),
])
def test_flags_that_do_not_fit_are_one_line(arguments, told):
    done = sweep(*arguments)
    assert done.returncode == 1 and told in done.stderr and done.stderr.count("\n") == 1


def test_a_thousand_runs_are_planned_and_rendered(tmp_path):
    (tmp_path / "many.py").write_text("def sweep():\n    return [{'seed': seed} for seed in range(1000)]\n")
    done = command_line.run(
        "launch.sweep", "--config=configs/tokenizer.py:paper", f"--sweep={tmp_path}/many.py", "--out=gs://b/o",
        "--backend=gke", f"--render={tmp_path}/r", *GKE,
    )
    assert done.returncode == 0, done.stderr
    assert len(list(Path(tmp_path / "r" / "0").iterdir())) == 1000
