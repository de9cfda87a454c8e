"""One checkpoint is evaluated: its figures, with what they were measured of, printed and written."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
from etils import epath

from launch import stages
from launch.figures import results, scalars
from launch.figures.data import Data
from launch.runs import features, sharing
from launch.runs.loading import Run
from xdancer_jax.evals.protocols import Result


def evaluate(run: Run, data: Data, setting: Mapping[str, Any], out: epath.Path) -> None:
    """Prints the run's figures on `data`, whose `setting` is known (results.setting), and adds them to `out`.

    Where that is the run's own file TensorBoard shows them. Every process must call it; process 0 writes and prints.
    Raises OSError where they cannot be written, ValueError for a data set of other music features than the run's, and
    what the stage's `figures` raises.
    """
    features.check_data(run.features, data.directory)
    found = stages.find(run.config.name).figures(run, data)
    source = {"run": str(run.workdir), "step": run.step, "directory": data.directory, **setting}

    def write() -> None:
        _tell(run, data, found)
        results.add(out, found, source)
        if out == run.workdir / results.NAME:
            scalars.derive(run.workdir, setting)
        print(out, flush=True)

    sharing.first(write)


def _tell(run: Run, data: Data, found: Sequence[Result]) -> None:
    shared = f", {jax.process_count()} processes" if jax.process_count() > 1 else ""
    print(f"{run.workdir}: stage {run.config.name}, step {run.step}, {data.directory} {data.split}{shared}")
    for result in found:
        for name, value in result.values.items():
            print(f"  {result.protocol:<32} {name:<28} {value:.4f}")
    for note in dict.fromkeys(note for result in found for note in result.notes):
        print(f"  note: {note}")


__all__ = ["evaluate"]
