import os
import shlex
import subprocess

import pytest

from configs import cluster as configs
from launch.sweeps import tpu_vm

OUT = "gs://bucket/sweep"


def cluster(**fields):
    made = configs.get_config("tpu_vm")
    made.update({"name": "pod", "zone": "us-central2-b"} | fields)
    return made.lock()


def test_the_command_runs_on_all_workers(trial):
    made = tpu_vm.command(trial("a"), cluster(project="p", setup=("source .venv/bin/activate",)), OUT)
    assert made[:-1] == [
        "gcloud", "compute", "tpus", "tpu-vm", "ssh", "pod", "--zone=us-central2-b", "--project=p", "--worker=all",
    ]
    assert made[-1] == (
        "--command=cd xdancer_jax && source .venv/bin/activate && python -m launch.train "
        "--config=configs/motion.py:medium --workdir=gs://bucket/sweep/a && python -m launch.evaluate "
        "--run=gs://bucket/sweep/a --data=gs://bucket/data"
    )
    assert not any(part.startswith("--project") for part in tpu_vm.command(trial("a"), cluster(), OUT))
    assert shlex.split(shlex.join(made)) == made  # printed, it is one line of a shell


@pytest.fixture
def gcloud(tmp_path, monkeypatch):
    """A gcloud that runs --command in a shell at home, where python shows its arguments; it ends as that does."""
    for name, text in (
        ("gcloud", f'#!/bin/sh\nfor last; do :; done\ncd {tmp_path}/home && sh -c "${{last#--command=}}"\n'),
        ("python", f"""#!/bin/sh\npwd >> {tmp_path}/seen\nprintf '<%s>' "$@" >> {tmp_path}/seen\nexit $STATUS\n"""),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "home" / "my code").mkdir(parents=True)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("STATUS", "0")
    return tmp_path


@pytest.mark.process
def test_arguments_arrive_as_the_trial_gives_them(gcloud, trial):
    one = trial("a=b c", more=("--config.x='$HOME $(id)'", ""))
    assert tpu_vm.execute(one, cluster(folder="my code"), OUT) == 0
    shown = "".join(
        f"{gcloud}/home/my code\n" + "".join(f"<{part}>" for part in command[1:]) for command in one.commands(OUT)
    )
    assert (gcloud / "seen").read_text() == shown


@pytest.mark.process
def test_the_exit_status_is_the_trials(gcloud, trial, monkeypatch):
    monkeypatch.setenv("STATUS", "75")
    assert tpu_vm.execute(trial(), cluster(folder="my code"), OUT) == 75
    assert (gcloud / "seen").read_text().count("launch.") == 1  # no second command
    assert tpu_vm.execute(trial(), cluster(folder="elsewhere"), OUT) not in (0, 75)


def test_without_gcloud_one_line_says_what_to_do(trial, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OSError, match="^gcloud is not installed here; install it, or run the printed commands"):
        tpu_vm.execute(trial(), cluster(), OUT)


@pytest.mark.parametrize(("fields", "out", "said"), [
    ({"name": ""}, OUT, "cluster.name is empty: give --cluster.name="),
    ({"zone": ""}, OUT, "cluster.zone is empty"), ({"folder": ""}, OUT, "cluster.folder is empty"),
    ({"folder": "~/x"}, OUT, "cluster.folder=~/x: it is seen from the home directory there; leave out the ~/"),
    ({}, "out/sweep", "--out=out/sweep: the cluster's machines share no folder with this one; give gs://BUCKET/FOLDER"),
])
def test_what_is_missing_is_named(fields, out, said, trial):
    with pytest.raises(ValueError, match=f"^{said}"):
        tpu_vm.command(trial(), cluster(**fields), out)


@pytest.mark.process
def test_the_printed_line_is_one_command(gcloud, trial):
    line = shlex.join(tpu_vm.command(trial("a"), cluster(folder="my code"), OUT))
    assert subprocess.run(["sh", "-c", line], check=False).returncode == 0
    assert (gcloud / "seen").read_text().count("--workdir=gs://bucket/sweep/a") == 1
