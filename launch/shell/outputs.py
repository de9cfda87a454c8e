"""Files that a command is to write, tried before the long work starts."""

import os
import tempfile
from pathlib import Path

from data_pipeline import files
from xdancer_jax import paths

_GROWING = ".jsonl"  # lines are added to it, in a store as well; everything else is written on this machine


def check_out(out: str, suffix: str = ".mp4", flag: str = "out") -> None:
    """Fails before the long work starts: OSError for a folder that cannot be written, ValueError for another suffix."""
    if paths.in_store(out) and suffix == _GROWING:
        _check_store(out, flag)
        return
    files.check_here(out)
    path = Path(out)
    if path.suffix != suffix or path.is_dir():
        raise ValueError(f"--{flag}={out}: the file's name must end in {suffix}, and no folder have it")
    if not path.parent.is_dir():
        raise OSError(f"--{flag}={out}: folder {path.parent} does not exist")
    try:
        with tempfile.TemporaryFile(dir=path.parent) as file:
            file.write(b"\0" * 4096)
            os.fsync(file.fileno())
    except OSError as error:
        raise OSError(f"--{flag}={out}: cannot write into {path.parent}: {error.strerror}") from error


def _check_store(out: str, flag: str) -> None:
    path = paths.at(out)
    if path.suffix != _GROWING:
        raise ValueError(f"--{flag}={out}: the file's name must end in {_GROWING}")
    paths.check_reachable(path)
    probe = path.with_name(f"{path.name}.probe")
    paths.put(probe, b"")
    paths.translated(probe, probe.unlink)


def make_folder(out: str) -> None:
    """Makes the folder of the flag --out before the long work starts. Raises OSError where none can be, and ValueError
    for one that is not of this machine."""
    files.check_here(out)
    try:
        Path(out).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"--out={out}: cannot make this folder: {error.strerror}") from error


__all__ = ["check_out", "make_folder"]
