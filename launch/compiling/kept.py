"""What a compiler said of a program, kept in a folder: the same one for the same devices is not compiled again."""

import contextlib
import hashlib
import importlib.metadata
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from data_pipeline.files import write_atomically

_FLAGS = ("XLA_FLAGS", "LIBTPU_INIT_ARGS")  # what compilers read, beside jax.config's levels


def figures(folder: str | None, program: str, topology: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """`make()`, or what it gave before for the same text of a program; without a `folder` always anew.

    Raises ValueError for a file in the folder that holds no figures.
    """
    if not folder:
        return make()
    path = Path(folder) / f"{_key(program, topology)}.json"
    if path.exists():
        try:
            return dict(json.loads(path.read_text()))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: holds no figures of a compiled step ({error}); remove it") from error
    found = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(found, indent=2) + "\n").encode())
    return found


def versions() -> dict[str, str]:
    """Of what compiles."""
    found = {"jax": jax.__version__}
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        found["libtpu"] = importlib.metadata.version("libtpu")
    return found


def _key(program: str, topology: str) -> str:
    levels = [str(jax.config.jax_optimization_level), str(jax.config.jax_memory_fitting_level)]
    parts = [program, topology, json.dumps(versions()), *levels, *(os.environ.get(name, "") for name in _FLAGS)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


__all__ = ["figures", "versions"]
