import dataclasses

import pytest


@dataclasses.dataclass(frozen=True)
class Trial:
    """A stand-in with what backends ask of a trial."""

    id: str = "motion_medium-global_music=False-seed=1-3fa9c1d2"
    parents: tuple[str, ...] = ()
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
    return Trial
