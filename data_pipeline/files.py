"""What reading and writing of all files share: each is there or named in one line; none is left half-written."""

import os
import tempfile
from pathlib import Path


def existing(path: str | os.PathLike) -> Path:
    """The path of a file that holds something. Raises FileNotFoundError, or ValueError for an empty one."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise ValueError(f"{path}: the file is empty")
    return path


def one_line(error: Exception) -> str:
    """The first line of its message, or its name."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def write_atomically(path: str | os.PathLike, content) -> None:
    """Writes bytes to a temporary file beside `path` and renames it. Raises OSError naming `path`; leaves no part."""
    path = Path(path)
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = file.name
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OSError(error.errno, f"cannot write: {error.strerror}", str(path)) from error
        raise


def check_no_pattern(folder: str | os.PathLike) -> None:
    """Raises ValueError for a path that TFDS takes for a pattern: it would write what it cannot find."""
    found = sorted(set("[]*?\\").intersection(os.path.abspath(folder)))
    if found:
        raise ValueError(
            f"{folder}: the path {os.path.abspath(folder)} holds {' '.join(found)}, which TFDS takes for a pattern; "
            "rename that folder, or give a link to it"
        )


__all__ = ["check_no_pattern", "existing", "one_line", "write_atomically"]
