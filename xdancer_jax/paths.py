"""Where things lie: in folders of this machine, or under gs://BUCKET/... in Google Cloud Storage.

There an object is put whole or not at all, nothing is appended to or renamed, and folders are but names. Importing this
brings in no client of a store.
"""

import importlib.util
import json
import os
import pathlib
import re
from collections.abc import Callable
from typing import Any, TypeVar

from etils import epath

_Done = TypeVar("_Done")
_SCHEME = re.compile(r"(?:([A-Za-z][\w+.-]*):/|(gs|s3):).*", re.DOTALL)
_BUCKET = re.compile(r"gs://[^/]+(/.*)?", re.DOTALL)
# epath prefers TensorFlow where it is installed, and looks once: no training imports it.
os.environ.setdefault("EPATH_USE_TF", "0")


def at(path: str | os.PathLike) -> epath.Path:
    """`path` as one that knows where it lies; nothing is looked up.

    Raises:
      ValueError: a URL of something else than gs://BUCKET.
      ImportError: gs:// without the extra that reads it.
    """
    text = os.fspath(path)
    scheme = _SCHEME.fullmatch(text)
    if not scheme:
        return epath.Path(path)
    if not _BUCKET.fullmatch(text):
        more = "; Orbax writes no checkpoints to s3://" if text.startswith("s3:") else ""
        raise ValueError(f"{text}: neither a path of this machine nor gs://BUCKET/PATH, which are what is known{more}")
    if importlib.util.find_spec("gcsfs") is None:
        raise ImportError(f"{text}: the extra gcs is not installed; install it, pip install xdancer_jax[gcs]")
    import fsspec.config

    # gcsfs remembers listings for good; tensorstore and other hosts write behind its back.
    fsspec.config.conf.setdefault("gcs", {}).setdefault("use_listings_cache", False)
    return epath.Path(path)


def in_store(path: str | os.PathLike) -> bool:
    """Whether `path` lies in an object store."""
    return os.fspath(path).startswith("gs://")


def whole(path: str | os.PathLike) -> epath.Path:
    """`path` from the root on; epath's own `absolute` makes a local folder of a store's."""
    return at(path) if in_store(path) else epath.Path(pathlib.Path(path).absolute())


def errors(path: str | os.PathLike) -> tuple[type[Exception], ...]:
    """What clients of the store of `path` raise beside OSError and ValueError; nothing for a local one."""
    if not in_store(path):
        return ()
    from aiohttp import ClientError
    from gcsfs.retry import ChecksumError, HttpError, NonRetryableError
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    return ClientError, ChecksumError, HttpError, NonRetryableError, GoogleAPIError, GoogleAuthError


def translated(path: str | os.PathLike, do: Callable[[], _Done]) -> _Done:
    """`do()`, whose errors of the store become OSError; those that say what is missing or was there stay."""
    if not in_store(path):
        return do()
    try:
        return do()
    except (FileNotFoundError, FileExistsError):
        raise
    except (OSError, *errors(path)) as error:
        raise OSError(f"{path}: the store does not answer as it should: {_reason(error)}") from error


def check_reachable(path: str | os.PathLike) -> None:
    """Raises OSError where `path` lies in a bucket that is not there, or is not ours; local paths pass."""
    if not in_store(path):
        return
    bucket = epath.Path(*at(path).parts[:3])
    if not translated(bucket, bucket.exists):
        raise OSError(f"{path}: no bucket {bucket}, or none that these credentials may look into; make it, or sign in")


def put(path: epath.Path, data: bytes) -> None:
    """Writes an object whole, or raises OSError. Not for local paths: those are written beside and renamed."""
    translated(path, lambda: path.write_bytes(data))


def generation(path: epath.Path) -> int:
    """Number that the store gave the object when it was put; 0 for none."""
    try:
        return int(described(path)[0]["generation"])
    except FileNotFoundError:
        return 0


def described(path: epath.Path) -> tuple[dict[str, Any], str]:
    """(the store's description of an object, its clock as an HTTP date). Raises FileNotFoundError and OSError."""
    store, bucket, name = _client(path)
    headers, content = translated(path, lambda: store.call("GET", "b/{}/o/{}", bucket, name))
    return json.loads(content), headers["Date"]


def put_if(path: epath.Path, data: bytes, before: int) -> int:
    """Puts the object where its generation is still `before` (0: there is none), and returns the new one.

    Raises FileExistsError where it is another, and OSError.
    """
    store, bucket, name = _client(path)
    where = store.base.replace("/storage/v1/", "/upload/storage/v1/") + f"b/{bucket}/o"
    made = translated(path, lambda: store.call(
        "POST", where, uploadType="media", name=name, ifGenerationMatch=str(before), data=data, json_out=True
    ))
    return int(made["generation"])


def remove_if(path: epath.Path, before: int) -> None:
    """Removes the object where its generation is still `before`; another one, or none, stays as it is."""
    store, bucket, name = _client(path)
    try:
        translated(path, lambda: store.call("DELETE", "b/{}/o/{}", bucket, name, ifGenerationMatch=str(before)))
    except (FileNotFoundError, FileExistsError):
        return


def append(path: str | os.PathLike, line: bytes) -> None:
    """Adds `line` to a file that may not be there yet; in a store all of it is put anew, and no line is lost."""
    path = at(path)
    if not in_store(path):
        with path.open("ab") as file:
            file.write(line)
        return
    while True:
        before = generation(path)
        known = translated(path, path.read_bytes) if before else b""
        try:
            put_if(path, known + line, before)
            return
        except FileExistsError:  # someone was faster
            continue


def _client(path: epath.Path) -> tuple[Any, str, str]:
    """(gcsfs, bucket, name of the object)."""
    import fsspec

    return fsspec.filesystem("gcs"), path.parts[2], "/".join(path.parts[3:])


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]}..."


__all__ = [
    "append", "at", "check_reachable", "described", "errors", "generation", "in_store", "put", "put_if", "remove_if",
    "translated", "whole",
]
