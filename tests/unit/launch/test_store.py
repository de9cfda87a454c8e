"""A run in an object store, as its user starts, loses, resumes and evaluates it; data set and weights lie there too."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import command_line
from xdancer_jax import paths
from xdancer_jax.train import metrics

RUN = "gs://bucket/runs/one"
SMALL = (
    "--config=configs/tokenizer.py:tiny", "--config.model.codebook_size=16", "--config.model.encoder_width=8",
    "--config.model.decoder_width=8", "--config.batch_size=4", "--config.log_every=1", "--config.eval_every=5",
    "--config.eval_batches=1", "--config.optimizer.schedule=constant", "--config.data.dir=gs://bucket/data",
    f"--workdir={RUN}",
)


@pytest.fixture
def data_in_store(store, data):
    for path in Path(data).rglob("*"):
        if path.is_file():
            store.put("bucket", f"data/{path.relative_to(data)}", path.read_bytes())


def command(module, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments], cwd=command_line.ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )


def finished(module, *arguments):
    with command(module, *arguments) as process:
        out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out


@pytest.mark.process
def test_train_kill_resume_evaluate(store, data_in_store):
    """Ends: by SIGKILL while step after step is saved, then of itself."""
    with command("launch.train", *SMALL, "--config.steps=100000", "--config.checkpoint.every=5") as first:
        until = time.monotonic() + 300
        while "runs/one/checkpoints/10/commit_success.txt" not in store.names("bucket"):
            assert first.poll() is None and time.monotonic() < until, first.communicate()
            time.sleep(0.02)
        first.send_signal(signal.SIGKILL)
    assert first.returncode == -signal.SIGKILL and "runs/one/lock" in store.names("bucket")
    steps = _finished_steps(store)
    last = max(steps) + 10
    told = finished("launch.train", *SMALL, f"--config.steps={last}", "--config.checkpoint.every=5")
    assert f"tokenizer: steps {max(steps)} to {last}" in told
    assert "runs/one/lock" not in store.names("bucket")
    assert [row["step"] for row in metrics.read(RUN) if "loss" in row] == list(range(1, last + 1))
    for lines in (3, 6):
        out = finished("launch.evaluate", f"--run={RUN}", "--data=gs://bucket/data")
        assert f"{RUN}: stage tokenizer, step {last}" in out
        assert len(paths.at(f"{RUN}/evaluation.jsonl").read_text().splitlines()) == lines
    assert not any("rewriteTo" in url or "moveTo" in url or method == "PATCH" for method, url in store.asked)
    assert not (command_line.ROOT / "gs:").exists()


def _finished_steps(store):
    names = [name.split("/") for name in store.names("bucket")]
    return [int(name[3]) for name in names if name[2:3] == ["checkpoints"] and name[4:] == ["commit_success.txt"]]


@pytest.mark.parametrize("flag, told", [
    ("--workdir=hdfs://a/b", "hdfs://a/b: neither a path of this machine nor gs://BUCKET/PATH"),
    ("--workdir=gs:/bucket/run", "gs:/bucket/run: neither a path of this machine nor"),
    ("--workdir=gs://none/run", "no bucket gs://none"),
    ("--config.data.dir=hdfs://a", "hdfs://a: neither a folder of this machine nor gs://BUCKET/PATH"),
    ("--config.data.dir=gs://bucket/nothing", "gs://bucket/nothing: no data set here"),
    ("--config.data.dir=gs://none/data", "no bucket gs://none"),
    ("--config.parts.tokenizer.source=run:gs://bucket/nothing", "gs://bucket/nothing: no such directory"),
])
def test_what_is_not_there_is_one_line_and_leaves_nothing(store, data_in_store, flag, told, tmp_path):
    before, here = store.names("bucket"), os.listdir(command_line.ROOT)
    arguments = [given for given in SMALL if given.split("=")[0] != flag.split("=")[0]]
    done = command_line.run("launch.train", *arguments, flag)
    [line] = done.stderr.splitlines()
    assert done.returncode == 1 and told in line, done.stderr
    assert store.names("bucket") == before and os.listdir(command_line.ROOT) == here


def test_without_the_extra_a_workdir_of_a_store_is_one_line(monkeypatch):
    nothing = SimpleNamespace(util=SimpleNamespace(find_spec=lambda name: None))
    monkeypatch.setattr(paths, "importlib", nothing)
    done = command_line.run("launch.train", *SMALL)
    assert done.returncode == 1 and "the extra gcs is not installed" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("command, flags", [
    ("launch.prepare", ("--config=configs/data.py:toy", "--data=gs://bucket/data")),
    ("launch.demo", ("--out=gs://bucket/demo",)), ("launch.train_demo", ("--out=gs://bucket/demo",)),
])
def test_what_is_written_on_this_machine_alone_says_so(command, flags):
    done = command_line.run(command, *flags)
    assert done.returncode == 1 and "only files of this machine are read and written here" in done.stderr
    assert not (command_line.ROOT / "gs:").exists()
