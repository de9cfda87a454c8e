"""Files that a command is to write, tried before the long work starts."""

import os
import tempfile
from pathlib import Path


def check_out(out: str, suffix: str = ".mp4", flag: str = "out") -> None:
    """Fails before the long work starts: OSError for a folder that cannot be written, ValueError for another suffix."""
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


def make_folder(out: str) -> None:
    """Makes the folder of the flag --out before the long work starts. Raises OSError where none can be."""
    try:
        Path(out).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"--out={out}: cannot make this folder: {error.strerror}") from error


__all__ = ["check_out", "make_folder"]
