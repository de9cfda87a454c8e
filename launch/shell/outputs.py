"""Files that a command is to write, tried before the long work starts."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
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


@contextlib.contextmanager
def appearing(out: str | Path) -> Iterator[Path]:
    """A folder beside that of the flag --out, whose name it takes at the end, or it goes.

    Raises ValueError where something is there already, OSError where no folder can be made.
    """
    files.check_here(str(out))
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"--out={out}: is there already; give another, or move it away")
    try:
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=out.absolute().parent, prefix=f".{out.name}."))
    except OSError as error:
        raise OSError(f"--out={out}: cannot make this folder: {error.strerror}") from error
    try:
        yield folder
        os.chmod(folder, 0o755)
        os.replace(folder, out)  # onto an empty folder too
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


__all__ = ["appearing", "check_out", "make_folder"]
