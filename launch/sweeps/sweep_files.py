"""Sweep files (configs/sweeps/): Python whose functions sweep() and sweep_NAME() give override dicts."""

import importlib.util
from pathlib import Path
from typing import Any

Overrides = dict[str, Any]


def load(given: str) -> list[Overrides]:
    """What FILE[:NAME] gives. Raises ValueError, which names the file, for one that gives nothing of the kind."""
    path, _, name = given.partition(":")
    function = f"sweep_{name}" if name else "sweep"
    module = _module(Path(path))
    found = getattr(module, function, None)
    if not callable(found):
        known = sorted(each.removeprefix("sweep").lstrip("_") for each in vars(module) if _is_sweep(module, each))
        ways = ", ".join(f"{path}:{each}" if each else path for each in known) or "none: define sweep()"
        raise ValueError(f"--sweep={given}: {path} has no {function}(); it has {ways}")
    try:
        return list(found())
    except Exception as error:  # anything: the file is a program
        raise ValueError(f"--sweep={given}: {function}() failed: {type(error).__name__}: {error}") from error


def _is_sweep(module: Any, name: str) -> bool:
    return callable(getattr(module, name)) and (name == "sweep" or name.startswith("sweep_"))


def _module(path: Path) -> Any:
    if not path.is_file():
        raise ValueError(f"--sweep={path}: no such file")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"--sweep={path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # anything, as above
        raise ValueError(f"--sweep={path}: cannot be imported: {type(error).__name__}: {error}") from error
    return module
