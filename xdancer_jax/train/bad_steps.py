"""WORKDIR/bad_steps.jsonl: what bad steps were made of, a line each."""

import json
import logging
import math
from collections.abc import Mapping, Sequence

import jax
from etils import epath

from xdancer_jax import paths
from xdancer_jax.train import disk

_log = logging.getLogger(__name__)


def add(workdir: epath.Path, step: int, metrics: Mapping[str, float], clips: Sequence[str]) -> epath.Path:
    """Appends {"step", "metrics", "clips": what its batch was cut from}, from process 0; the file. A disk that takes no
    line stops nothing."""
    path = workdir / "bad_steps.jsonl"
    if jax.process_index() == 0:
        shown = {name: value if math.isfinite(value) else str(value) for name, value in metrics.items()}
        try:
            line = json.dumps({"step": step, "metrics": shown, "clips": list(clips)}) + "\n"
            paths.append(path, line.encode())
        except OSError as error:
            warn(f"{path}: {disk.reason(error)}; the clips of step {step}: {list(clips)}")
    return path


def warn(text: str) -> None:
    """One line, from process 0."""
    if jax.process_index() == 0:
        _log.warning("warning: %s", text)


__all__ = ["add", "warn"]
