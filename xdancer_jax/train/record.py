"""config.json of a work directory: what a run is, as people and programs read it."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

# Of work directories: how config.json, checkpoints/ and frozen/ are laid out. Another one is refused.
FORMAT = 2


def write(workdir: str | Path, content: Mapping[str, Any]) -> None:
    """Writes {"format", **content} to workdir/config.json (at once or not at all) from process 0.

    `content`: {"stage": name, "config": resolved config, ...}, JSON-able.
    """
    if jax.process_index() == 0:
        path = Path(workdir) / "config.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".tmp")
        unfinished.write_text(json.dumps({"format": FORMAT, **content}, indent=2) + "\n")
        os.replace(unfinished, path)


def read(workdir: str | Path, stage: str | None = None) -> dict[str, Any]:
    """What `write` wrote.

    Raises:
      ValueError: no such directory, no run in it, one of another version or of another stage than `stage`.
    """
    path = Path(workdir) / "config.json"
    if not path.parent.is_dir():
        raise ValueError(f"{path.parent}: no such directory; expected the work directory of a {stage or 'trained'} run")
    if not path.exists():
        found = sorted(entry.name for entry in path.parent.iterdir())
        raise ValueError(f"{path}: not found; {path.parent} is no work directory, it holds {found[:8] or 'nothing'}")
    try:
        content = json.loads(path.read_text())
        found, version = content["stage"], content.get("format", 1)
        content["config"]["name"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: not the config of a run ({error!r}); restore it or train anew") from error
    if version != FORMAT:
        raise ValueError(
            f"{path}: a run of format {version}, this version reads {FORMAT}; train it anew, or use the version that "
            "trained it"
        )
    if stage is not None and found != stage:
        raise ValueError(f"{path}: stage is {found!r}, expected {stage!r}")
    return content


def exists(workdir: str | Path) -> bool:
    """Whether a run was begun in `workdir`."""
    return (Path(workdir) / "config.json").exists()


__all__ = ["FORMAT", "exists", "read", "write"]
