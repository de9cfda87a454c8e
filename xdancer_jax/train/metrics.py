"""The metrics of a run, read back from the one file that they are added to, or the parts that a store takes.

Locally they are lines of WORKDIR/metrics.jsonl. In a store, where nothing can be added to, each call of train writes
parts WORKDIR/metrics/SESSION-START-NUMBER.jsonl: its number among the run's calls, the step that it began from, its
parts so far. What earlier calls wrote of later steps does not count, and is left where it is.
"""

import json
import os
import re
from collections.abc import Sequence
from typing import Any

from etils import epath

from xdancer_jax import paths
from xdancer_jax.train import disk

_PART = re.compile(r"(\d{5})-(\d{9})-(\d{6})\.jsonl")


def read(workdir: str | os.PathLike) -> list[dict[str, Any]]:
    """Every {"step": step, **metrics} of the run in `workdir`, in order, none twice; [] where none was written.

    Raises:
      ValueError: a file that holds something else, which is named.
      OSError: the store does not answer.
    """
    return [json.loads(line) for _, line in lines(paths.at(workdir))]


def lines(workdir: epath.Path) -> list[tuple[int, str]]:
    """(step, line with its end) as `read` has them; a line that was cut short is left out."""
    path = file(workdir)
    found = _of(path) if paths.translated(path, path.exists) else []
    begun = 0
    for name in names(workdir):
        session, start, _ = map(int, _PART.fullmatch(name).groups())
        if session != begun:
            begun, found = session, [(step, line) for step, line in found if step <= start]
        found += _of(folder(workdir) / name)
    return found


def _of(path: epath.Path) -> list[tuple[int, str]]:
    try:
        text = paths.translated(path, path.read_text)
        whole = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return [(json.loads(line)["step"] + 0, line) for line in whole]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        told = f"{path}: not the metrics of a run ({disk.reason(error)}); move it away to go on"
        raise ValueError(told) from error


def names(workdir: epath.Path) -> Sequence[str]:
    """Of the parts, in the order in which they were written."""
    place = folder(workdir)
    found = paths.translated(place, lambda: [entry.name for entry in place.iterdir()] if place.is_dir() else [])
    return sorted(name for name in found if _PART.fullmatch(name))


def next_session(workdir: epath.Path) -> int:
    """A number that no call of train has had."""
    return max((int(name.split("-")[0]) for name in names(workdir)), default=0) + 1


def part(workdir: epath.Path, session: int, start: int, number: int) -> epath.Path:
    """Where a part lies; `number` from 0 on."""
    return folder(workdir) / f"{session:05d}-{start:09d}-{number:06d}.jsonl"


def file(workdir: epath.Path) -> epath.Path:
    """The one that lines are added to."""
    return workdir / "metrics.jsonl"


def folder(workdir: epath.Path) -> epath.Path:
    """That of the parts."""
    return workdir / "metrics"


__all__ = ["file", "folder", "lines", "names", "next_session", "part", "read"]
