"""sweep.json: what a sweep's folder holds, for whoever looks at it without its sweep file."""

import dataclasses
import json
from collections.abc import Sequence

from data_pipeline.files import write_atomically
from launch.sweeps.trials import Trial
from xdancer_jax import paths

NAME = "sweep.json"


def write(out: str, trials: Sequence[Trial], command: Sequence[str]) -> None:
    """Replaces what an earlier command wrote; its runs stay where they are."""
    content = {
        "command": list(command), "trials": [dataclasses.asdict(trial) for trial in trials],
    }
    text, path = json.dumps(content, indent=1).encode(), paths.at(out) / NAME
    if paths.in_store(path):
        return paths.put(path, text)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text)


def read(out: str) -> list[Trial]:
    """The trials. Raises ValueError where there is no sweep."""
    path = paths.at(out) / NAME
    if not paths.translated(path, path.exists):
        raise ValueError(f"--out={out}: no sweep there ({NAME} is missing); start one with --config and --sweep")
    try:
        found = json.loads(paths.translated(path, path.read_text))["trials"]
        return [Trial(**each | {"parents": tuple(each["parents"])}) for each in found]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not of this version ({error}); start the sweep's command again") from error


__all__ = ["NAME", "read", "write"]
