"""evaluation.jsonl: what was measured of a run's checkpoints, a line a Result, those of one checkpoint all or none."""

import contextlib
import dataclasses
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from etils import epath

from data_pipeline import sources
from data_pipeline.files import write_atomically
from launch.figures.data import Data
from xdancer_jax import paths
from xdancer_jax.evals import protocols
from xdancer_jax.evals.protocols import Result
from xdancer_jax.train import flock

NAME = "evaluation.jsonl"
_TRIES, _PAUSE = 100, 0.1  # of others' writes, which take milliseconds, and seconds between


def setting(data: Data) -> dict[str, Any]:
    """What a result depends on beside the weights: the data by its content, what of it is taken, and the protocols."""
    chosen = {name: value for name, value in dataclasses.asdict(data).items() if name != "directory"}
    return chosen | {"fingerprint": sources.fingerprint(data.directory), "evals": protocols.version()}


def evaluated(workdir: str | Path, wanted: Mapping[str, Any]) -> set[int]:
    """Steps of the run in `workdir` that have results of the setting `wanted`. Raises ValueError, see `read`."""
    return {found.source["step"] for found in read(paths.at(workdir) / NAME) if has(found, wanted)}


def evaluated_steps(workdir: str | Path) -> set[int]:
    """Steps that have results of any setting: for whoever keeps the other checkpoints until they have. It parses one
    small file, and what is no result in it counts for nothing."""
    found = set()
    for line in _whole_lines(paths.at(workdir) / NAME):
        with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
            found.add(int(json.loads(line)["source"]["step"]))
    return found


def has(result: Result, wanted: Mapping[str, Any]) -> bool:
    """Whether `result` was made under the setting `wanted`; those of earlier versions state less, and were not."""
    return "step" in result.source and wanted.items() <= result.source.items()


def read(path: epath.Path) -> list[Result]:
    """Every Result of the file; none where there is no file. Raises ValueError naming the line that is not one."""
    return protocols.parse(_whole_lines(path), path)


def add(path: epath.Path, results: Sequence[Result], source: Mapping[str, Any]) -> None:
    """Adds `results`, measured of `source`, to the file: however this process ends, all of them or none are there.

    By one process; others that write at the same time wait. Raises OSError where it cannot be written.
    """
    stated = {**source, "time": time.time()}
    lines = [dataclasses.replace(result, source=stated).as_json() + "\n" for result in results]
    if paths.in_store(path):
        return paths.append(path, "".join(lines).encode())
    with alone(path):
        write_atomically(path, "".join([*_whole_lines(path), *lines]).encode())


def _whole_lines(path: epath.Path) -> list[str]:
    """Without a last one that an earlier version's end has cut short."""
    if not paths.translated(path, path.exists):
        return []
    text = paths.translated(path, path.read_text)
    return [line for line in text.splitlines(keepends=True) if line.endswith("\n")]


@contextlib.contextmanager
def alone(path: epath.Path) -> Iterator[None]:
    """Keeps other writers of this file out, and waits for them. In a store, which knows no locks, it does nothing."""
    if paths.in_store(path):
        yield
        return
    lock_file = Path(path).with_name(f"{path.name}.lock")
    with contextlib.ExitStack() as stack:
        for left in reversed(range(_TRIES)):
            try:
                stack.enter_context(flock.alone(lock_file, f"writes {path.name}; try again"))
                break
            except ValueError:
                if not left:
                    raise
                time.sleep(_PAUSE)
        yield


__all__ = ["NAME", "add", "alone", "evaluated", "evaluated_steps", "has", "read", "setting"]
