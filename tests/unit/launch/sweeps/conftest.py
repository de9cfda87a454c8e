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
        return ["tests.sweep_run", "train", self.workdir(out), str(self.steps), self.train_script]

    def evaluate(self, out, options=()):
        return ["tests.sweep_run", "evaluate", self.workdir(out), str(self.steps), self.evaluate_script]


@pytest.fixture
def make(monkeypatch):
    """make(id, train_script, evaluate_script, parents=()): a scripted trial of 5 steps; any evaluation of it counts, as
    it has no data set whose fingerprint could be asked for."""
    monkeypatch.setattr(state, "_setting", lambda *unused: {})

    def scripted(name, train_script="", evaluate_script="", parents=(), **fields):
        common = {"row": name, "config": "c", "stage": "tokenizer", "fields": {}, "steps": 5, "seed": 0, "data": "d",
                  "split": "test"}
        return Scripted(name, **common | fields, parents=tuple(parents), train_script=train_script,
                        evaluate_script=evaluate_script)

    return scripted
