"""config.json of a work directory: what a run is, as people and programs read it."""

import json
import os
from collections.abc import Mapping
from typing import Any

import jax

from xdancer_jax import paths
from xdancer_jax.train import disk

# Of work directories: how config.json, checkpoints/ and frozen/ are laid out. Another one is refused.
FORMAT = 3
_DEPTH = 40  # no config is nested as deep


def write(workdir: str | os.PathLike, content: Mapping[str, Any]) -> None:
    """Writes {"format", **content} to workdir/config.json (at once or not at all) from process 0.

    `content`: {"stage": name, "config": resolved config, ...}, JSON-able.
    """
    if jax.process_index() == 0:
        path = paths.at(workdir) / "config.json"
        text = json.dumps({"format": FORMAT, **content}, indent=2) + "\n"
        if paths.in_store(path):
            paths.put(path, text.encode())
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".tmp")
        unfinished.write_text(text)
        os.replace(unfinished, path)


def read(workdir: str | os.PathLike, stage: str | None = None) -> dict[str, Any]:
    """What `write` wrote.

    Raises:
      ValueError: no such directory, no run in it, one of another version or of another stage than `stage`.
      OSError: a store that does not answer.
    """
    path = paths.at(workdir) / "config.json"
    paths.check_reachable(path)
    if not path.parent.is_dir():
        raise ValueError(f"{path.parent}: no such directory; expected the work directory of a {stage or 'trained'} run")
    if not path.exists():
        found = sorted(entry.name for entry in path.parent.iterdir())
        raise ValueError(f"{path}: not found; {path.parent} is no work directory, it holds {found[:8] or 'nothing'}")
    try:
        content = json.loads(paths.translated(path, path.read_text))
        _check(content)
    except (ValueError, RecursionError) as error:
        raise damaged(workdir, disk.reason(error)) from error
    found, version = content["stage"], content.get("format", 1)
    if version != FORMAT:
        raise ValueError(
            f"{path}: a run of format {version}, this version reads {FORMAT}; train it anew, or use the version that "
            "trained it"
        )
    if content["config"]["name"] != found:
        raise damaged(workdir, f"stage is {found!r}, config.name {content['config']['name']!r}")
    if stage is not None and found != stage:
        raise ValueError(f"{path}: stage is {found!r}, expected {stage!r}")
    return content


def damaged(workdir: str | os.PathLike, what: str) -> ValueError:
    """The error for a config.json of which `what` is wrong."""
    path = paths.at(workdir) / "config.json"
    return ValueError(f"{path}: not the config of a run ({what}); restore it or train anew")


def _check(content: Any) -> None:
    """Raises ValueError for anything but what `write` writes, of any format."""
    if not isinstance(content, dict):
        raise ValueError(f"a {type(content).__name__}, no table")
    for name, kind, needed in (("stage", str, True), ("config", dict, True), ("facts", dict, False),
                               ("changes", list, False), ("starts", list, False)):
        if name in content and not isinstance(content[name], kind):
            raise ValueError(f"{name} is a {type(content[name]).__name__}, no {kind.__name__}")
        if needed and name not in content:
            raise ValueError(f"no {name}")
    if not isinstance(content["config"].get("name"), str):
        raise ValueError("config.name is missing, or no text")
    for name, value in content.get("facts", {}).items():
        if not isinstance(value, str):
            raise ValueError(f"facts.{name} is a {type(value).__name__}, no str")
    for name in ("changes", "starts"):
        if not all(isinstance(each, dict) for each in content.get(name, [])):
            raise ValueError(f"{name} holds something else than tables")
    level, depth = [content], 0
    while level:  # not by recursion, which is what too deep a file breaks
        depth += 1
        if depth > _DEPTH:
            raise ValueError(f"nested deeper than {_DEPTH}")
        inside = (each.values() if isinstance(each, dict) else each for each in level)
        level = [item for items in inside for item in items if isinstance(item, (dict, list))]


def exists(workdir: str | os.PathLike) -> bool:
    """Whether a run was begun in `workdir`."""
    path = paths.at(workdir) / "config.json"
    return paths.translated(path, path.exists)


__all__ = ["FORMAT", "damaged", "exists", "read", "write"]
