"""One clip, prepared and not yet in a data set: an .npz file that the pipeline leaves and the writer of sets takes.

Members are read one by one, so who writes poses does not read pictures; pictures come and go one at a time, since those
of a long clip do not fit into memory.
"""

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from etils import epath

ARRAYS: Final = ("poses", "music", "beats", "audio")
PICTURES: Final = "frames"
_TEXT: Final = "text"  # member that holds all single values, as JSON
_BYTES, _ENDS = "pictures", "picture_ends"  # members that hold the pictures, end to end
_BLOCK: Final = 2**20


class Item(NamedTuple):
    """A prepared clip or song of a set to be written.

    id: unique in the set. frames: at 30 fps; 0 for a song. song: id of the song under it, "" for none.
    digest: sha256 of the file. path: of the file.
    """

    id: str
    frames: int
    song: str
    digest: str
    path: str


def write(path: str | os.PathLike[str], record: Mapping[str, Any]) -> str:
    """Writes the file of a record: arrays of ARRAYS, "frames", an iterable of JPEG files, and single values that JSON
    can hold. The same record gives the same bytes. Returns their sha256."""
    texts = {name: value for name, value in record.items() if name not in (*ARRAYS, PICTURES)}
    with zipfile.ZipFile(path, "w") as file:
        for name in ARRAYS:
            if name in record:
                _add(file, name, np.ascontiguousarray(record[name]))
        if PICTURES in record:
            _add(file, _ENDS, _add_pictures(file, record[PICTURES]))
        _add(file, _TEXT, np.frombuffer(json.dumps(texts, sort_keys=True).encode(), np.uint8))
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _member(file: zipfile.ZipFile, name: str):
    """A member to write into; its time is not that of the clock."""
    return file.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True)


def _add(file: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    with _member(file, name) as member:
        np.lib.format.write_array(member, array, allow_pickle=False)


def _add_pictures(file: zipfile.ZipFile, pictures: Iterator[bytes]) -> np.ndarray:
    """Adds them as one array of bytes. Returns where each ends (F,) int64."""
    ends, length = [], 0
    with tempfile.TemporaryFile() as beside:  # how many bytes they are stands before them, and is known after
        for picture in pictures:
            beside.write(picture)
            length += len(picture)
            ends.append(length)
        beside.seek(0)
        with _member(file, _BYTES) as member:
            header = {"descr": "|u1", "fortran_order": False, "shape": (length,)}
            np.lib.format.write_array_header_1_0(member, header)
            shutil.copyfileobj(beside, member, _BLOCK)
    return np.array(ends, np.int64)


def read(path: str | os.PathLike[str], fields: Sequence[str]) -> dict[str, Any]:
    """Those arrays of `fields` that the file has, and all its single values."""
    with epath.Path(path).open("rb") as file, np.load(file, allow_pickle=False) as members:
        record = json.loads(members[_TEXT].tobytes())
        return record | {name: members[name] for name in ARRAYS if name in fields and name in members}


def has_pictures(path: str | os.PathLike[str]) -> bool:
    """Whether the file holds any."""
    with epath.Path(path).open("rb") as file, zipfile.ZipFile(file) as members:
        return f"{_ENDS}.npy" in members.namelist()


def pictures(path: str | os.PathLike[str]) -> Iterator[bytes]:
    """The JPEG files of the clip's frames, one after the other."""
    with epath.Path(path).open("rb") as file, zipfile.ZipFile(file) as members:
        with members.open(f"{_ENDS}.npy") as member:
            ends = np.lib.format.read_array(member, allow_pickle=False)
        with members.open(f"{_BYTES}.npy") as member:
            np.lib.format.read_magic(member)
            np.lib.format.read_array_header_1_0(member)
            for size in np.diff(ends, prepend=0).tolist():
                yield member.read(size)


__all__ = ["ARRAYS", "PICTURES", "Item", "has_pictures", "pictures", "read", "write"]
