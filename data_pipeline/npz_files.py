"""Arrays out of .npz files of unknown origin: nothing is unpickled, and memory follows what is there, not what a
header declares."""

import lzma
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from data_pipeline.files import existing, one_line

_LARGEST: Final = 256 << 20  # bytes of an array: hours of poses
_HEADERS: Final = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_BROKEN: Final = (
    ValueError, TypeError, KeyError, EOFError, OSError, SyntaxError, OverflowError, RecursionError, MemoryError,
    NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error,
    tokenize.TokenError,
)


class UnreadableError(ValueError):
    """An .npz file that is none; the one line names it."""


def names(path: Path) -> list[str]:
    """The names of its arrays. Raises FileNotFoundError, or UnreadableError."""
    return list(_read(path, ()))


def read(path: Path, wanted: Sequence[str]) -> dict[str, np.ndarray]:
    """Its arrays of these names, of those that are there; numbers or strings. Raises as `names` does."""
    return {name: value for name, value in _read(path, wanted).items() if value is not None}


def _read(path: Path, wanted: Sequence[str]) -> dict[str, np.ndarray | None]:
    path = existing(path)
    try:
        if not zipfile.is_zipfile(path):
            raise ValueError("no zip archive")
        with zipfile.ZipFile(path) as archive:
            entries = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            return {name: _array(archive, info) if name in wanted else None for name, info in entries.items()}
    except _BROKEN as error:
        raise UnreadableError(f"{path}: not a readable .npz file ({one_line(error)})") from error


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    """One array. Its header is held against the bytes that are there before memory is taken."""
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        if version not in _HEADERS:
            raise ValueError(f"{info.filename} has an unknown version {version}")
        shape, _, dtype = _HEADERS[version](file)
        size = math.prod(shape) * dtype.itemsize
        if dtype.hasobject:
            raise ValueError(f"{info.filename} holds Object arrays, which are pickled")
        if size > min(_LARGEST, info.file_size):
            raise ValueError(f"{info.filename} declares {size} bytes; {info.file_size} are there, {_LARGEST} can be")
    with archive.open(info) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


__all__ = ["UnreadableError", "names", "read"]
