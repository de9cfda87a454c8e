import dataclasses

import pytest

from launch.sweeps import state
from launch.sweeps.trials import Trial


@dataclasses.dataclass(frozen=True)
class Scripted(Trial):
    """A trial whose commands are tests/sweep_run.py's. Scripts: of its trainings and of its evaluations."""

    train_script: str = ""
    evaluate_script: str = ""

    def train(self, out):
        return self._command("train", self.train_script, out)

    def evaluate(self, out, options=()):
        return self._command("evaluate", self.evaluate_script, out)

    def _command(self, work, script, out):
        return ["tests.sweep_run", work, self.workdir(out), str(self.steps), script, self.data, self.split]


@pytest.fixture
def make(monkeypatch):
    """make(id, train_script, evaluate_script, parents=()): a scripted trial of 5 steps; without data=DIR, whose
    fingerprint could be asked for, any evaluation of it counts."""
    setting = state._setting
    monkeypatch.setattr(state, "_setting", lambda data, *rest: {} if data == "d" else setting(data, *rest))

    def scripted(name, train_script="", evaluate_script="", parents=(), **fields):
        common = {"row": name, "config": "c", "stage": "tokenizer", "fields": {}, "steps": 5, "seed": 0, "data": "d",
                  "split": "test"}
        return Scripted(name, **common | fields, parents=tuple(parents), train_script=train_script,
                        evaluate_script=evaluate_script)

    return scripted


@dataclasses.dataclass(frozen=True)
class Whole:
    """What backends ask of a trial that they are given as a whole."""

    id: str = "motion_medium-global_music=False-seed=1-3fa9c1d2"
    more: tuple[str, ...] = ()

    def commands(self, out):
        workdir = f"{out}/{self.id}"
        return [
            ["python", "-m", "launch.train", "--config=configs/motion.py:medium", f"--workdir={workdir}", *self.more],
            ["python", "-m", "launch.evaluate", f"--run={workdir}", "--data=gs://bucket/data"],
        ]


@pytest.fixture
def trial():
    """trial(id, more=(...)): of launch.train's and launch.evaluate's commands."""
    return Whole
