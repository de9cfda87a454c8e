"""What reading and writing of all files share: each is there or named in one line; none is left half-written."""

import hashlib
import importlib.util
import os
import tempfile
from pathlib import Path


def check_here(path: str | os.PathLike) -> None:
    """Raises ValueError for a URL, where only files of this machine are read and written."""
    if "://" in os.fspath(path):
        raise ValueError(f"{path}: only files of this machine are read and written here; give a local path, and copy")


def check_known(folder: str | os.PathLike) -> None:
    """Raises ValueError for a URL of something else than gs://, which data sets are read from as from local folders,
    and ImportError for that one without the extra."""
    kind, is_url, _ = os.fspath(folder).partition("://")
    if not is_url:
        return
    if kind != "gs":
        raise ValueError(f"{folder}: neither a folder of this machine nor gs://BUCKET/PATH, which are what is known")
    if importlib.util.find_spec("gcsfs") is None:
        raise ImportError(f"{folder}: the extra gcs is not installed; install it, pip install xdancer_jax[gcs]")


def existing(path: str | os.PathLike) -> Path:
    """The path of a file that holds something. Raises FileNotFoundError, or ValueError for an empty one and for what is
    no file."""
    check_here(path)
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    if not path.is_file():  # of a pipe nobody may ever write into, a read does not come back
        raise ValueError(f"{path}: not a file; name a file in its place")
    if path.stat().st_size == 0:
        raise ValueError(f"{path}: the file is empty")
    return path


def stamp(path: str | os.PathLike) -> str:
    """Its name and the first 12 digits of its sha256: which weights made something."""
    with open(path, "rb") as file:
        return f"{Path(path).name} {hashlib.file_digest(file, 'sha256').hexdigest()[:12]}"


def one_line(error: Exception) -> str:
    """The first line of its message, or its name."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def write_atomically(path: str | os.PathLike, content, durable: bool = True) -> None:
    """Writes bytes to a temporary file beside `path` and renames it. Raises OSError naming `path`; leaves no part.

    durable: it outlives a loss of power too, which takes the disk milliseconds.
    """
    path = Path(path)
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = file.name
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OSError(error.errno, f"cannot write: {error.strerror}", str(path)) from error
        raise


def put(path: str | os.PathLike, content: bytes) -> None:
    """Writes bytes here or to a store, whole or not at all; what is written again after a loss of power."""
    if "://" in os.fspath(path):
        from etils import epath

        epath.Path(path).write_bytes(content)
    else:
        write_atomically(path, content, durable=False)


def check_no_pattern(folder: str | os.PathLike) -> None:
    """Raises ValueError for a path that TFDS takes for a pattern: it would write what it cannot find."""
    whole = folder if "://" in os.fspath(folder) else os.path.abspath(folder)
    found = sorted(set("[]*?\\").intersection(os.fspath(whole)))
    if found:
        raise ValueError(
            f"{folder}: the path {whole} holds {' '.join(found)}, which TFDS takes for a pattern; "
            "rename that folder, or give a link to it"
        )


__all__ = ["check_here", "check_known", "check_no_pattern", "existing", "one_line", "put", "stamp", "write_atomically"]
