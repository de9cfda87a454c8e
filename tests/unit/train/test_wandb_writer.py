import importlib.util
import sys
from types import SimpleNamespace

import pytest

from xdancer_jax.train import wandb_writer
from xdancer_jax.train.wandb_writer import WandbWriter

CONFIG = {"steps": 9}


class Run:
    """As much of a run of wandb as is used: `step` is the last one that was logged, and a lower one is lost."""

    def __init__(self, options, step):
        self.options, self.step, self.logged, self.finished, self.fails = options, step, [], False, False
        self.lost = []

    def log(self, metrics, step):
        if self.fails:
            raise ConnectionError("the server is away")
        self.step = max(step, self.step)
        (self.lost if step < self.step else self.logged).append((step, metrics))

    def finish(self):
        self.finished = True


@pytest.fixture
def wandb(monkeypatch):
    """A module in the place of wandb; its runs by id, in turn."""
    module = SimpleNamespace(runs=[], Settings=lambda **fields: fields, __spec__=importlib.util.find_spec("json"))

    def init(**options):
        step = max((run.step for run in module.runs if run.options["id"] == options["id"]), default=0)
        module.runs.append(Run(options, step))
        return module.runs[-1]

    module.init = init
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


def test_metrics_and_config_are_sent(tmp_path, wandb):
    writer = WandbWriter(tmp_path / "run", "dances", "motion", CONFIG)
    writer.write(1, {"loss": 2.0})
    writer.write(1, {"eval/loss": 3.0})
    writer.close()
    [run] = wandb.runs
    assert run.logged == [(1, {"loss": 2.0}), (1, {"eval/loss": 3.0})] and run.finished
    fields = {name: run.options[name] for name in ("project", "name", "config", "dir", "resume")}
    assert fields == {
        "project": "dances", "name": "motion", "config": CONFIG, "dir": str(tmp_path / "run"), "resume": "allow"}


def test_a_restart_goes_on_in_the_same_run_and_sends_no_step_twice(tmp_path, wandb):
    for steps in (range(1, 6), range(4, 8)):
        writer = WandbWriter(tmp_path, "dances", "motion", CONFIG)
        for step in steps:
            writer.write(step, {"loss": 1.0})
    first, second = wandb.runs
    assert first.options["id"] == second.options["id"]
    assert [step for step, _ in second.logged] == [5, 6, 7] and not second.lost
    WandbWriter(tmp_path / "other", "dances", "motion", CONFIG)
    assert wandb.runs[-1].options["id"] != first.options["id"]


def test_a_server_that_is_away_stops_nothing(tmp_path, wandb, caplog):
    writer = WandbWriter(tmp_path, "dances", "motion", CONFIG)
    [run] = wandb.runs
    run.fails = True
    writer.write(1, {"loss": 1.0})
    writer.write(2, {"loss": 1.0})
    run.fails = False
    writer.write(3, {"loss": 1.0})
    writer.close()
    assert [step for step, _ in run.logged] == [3]
    assert caplog.text.count("could not be sent, training goes on: the server is away") == 1


def test_a_run_that_cannot_begin_stops_nothing(tmp_path, wandb, caplog):
    def init(**options):
        raise RuntimeError("No API key configured.")

    wandb.init = init
    writer = WandbWriter(tmp_path, "dances", "motion", CONFIG)
    writer.write(1, {"loss": 1.0})
    writer.close()
    assert caplog.text.count("warning: ") == 1 and "No API key configured." in caplog.text


def test_without_wandb_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(wandb_writer.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="wandb is asked for and not installed; pip install wandb"):
        WandbWriter(tmp_path, "dances", "motion", CONFIG)


def test_wandb_itself_takes_what_is_sent(tmp_path, monkeypatch):
    """Offline: its file is written, whose form is its own matter."""
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    writer = WandbWriter(tmp_path, "dances", "motion", CONFIG)
    assert not writer._warned
    for step in (1, 2, 1, 3):
        writer.write(step, {"loss": float(step)})
    writer.close()
    assert not writer._warned
    [file] = tmp_path.glob("wandb/offline-run-*/*.wandb")
    assert (tmp_path / "wandb_id").read_text().strip() in file.name and file.stat().st_size > 0
