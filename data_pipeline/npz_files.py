"""Arrays out of .npz and .npy files of unknown origin: nothing is unpickled here, and memory follows what is there, not
what a header declares."""

import lzma
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, Final

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


def read_npy(path: Path, unpickle: Callable[[bytes], Any]) -> Any:
    """The array of an .npy file, or what `unpickle` makes of the pickle that one of objects holds. Raises as `names`
    does, and as `unpickle`."""
    path = existing(path)
    try:
        with path.open("rb") as file:
            dtype = _header(file, path.name, path.stat().st_size)
            if not dtype.hasobject:
                file.seek(0)
                return np.lib.format.read_array(file, allow_pickle=False)
            content = file.read(_LARGEST)
    except _BROKEN as error:
        raise UnreadableError(f"{path}: not a readable .npy file ({one_line(error)})") from error
    return unpickle(content)


def _header(file: IO[bytes], name: str, there: int) -> np.dtype:
    """The dtype that a header declares. Raises ValueError where an array of numbers would be larger than what is
    there."""
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"{name} has an unknown version {version}")
    shape, _, dtype = _HEADERS[version](file)
    size = math.prod(shape) * dtype.itemsize
    if not dtype.hasobject and size > min(_LARGEST, there):
        raise ValueError(f"{name} declares {size} bytes; {there} are there, {_LARGEST} can be")
    return dtype


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    """One array. Its header is held against the bytes that are there before memory is taken."""
    with archive.open(info) as file:
        if _header(file, info.filename, info.file_size).hasobject:
            raise ValueError(f"{info.filename} holds Object arrays, which are pickled")
    with archive.open(info) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


__all__ = ["UnreadableError", "names", "read", "read_npy"]
