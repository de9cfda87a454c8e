"""One clip, prepared and not yet in a data set: an .npz file that the pipeline leaves and the writer of sets takes.

Members are read one by one, so who writes poses does not read pictures.
"""

import io
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from etils import epath

ARRAYS: Final = ("poses", "music", "beats", "audio")
PICTURES: Final = "frames"
_TEXT: Final = "text"  # member that holds all single values, as JSON
_BYTES, _ENDS = "pictures", "picture_ends"  # members that hold the pictures, end to end


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


def encode(record: Mapping[str, Any]) -> bytes:
    """The file of a record: arrays of ARRAYS, "frames" as JPEG bytes each, and single values that JSON can hold.

    The same record gives the same bytes.
    """
    members = {name: np.ascontiguousarray(record[name]) for name in ARRAYS if name in record}
    if PICTURES in record:
        pictures = record[PICTURES]
        members[_BYTES] = np.frombuffer(b"".join(pictures), np.uint8)
        members[_ENDS] = np.cumsum([len(picture) for picture in pictures], dtype=np.int64)
    texts = {name: value for name, value in record.items() if name not in (*ARRAYS, PICTURES)}
    members[_TEXT] = np.frombuffer(json.dumps(texts, sort_keys=True).encode(), np.uint8)
    content = io.BytesIO()
    np.savez(content, **members)
    return content.getvalue()


def read(path: str | os.PathLike[str], fields: Sequence[str]) -> dict[str, Any]:
    """Those of `fields` that the file has: arrays, "frames" as a list of JPEG bytes, and all its single values."""
    with epath.Path(path).open("rb") as file, np.load(file, allow_pickle=False) as members:
        record = json.loads(members[_TEXT].tobytes())
        record |= {name: members[name] for name in ARRAYS if name in fields and name in members}
        if PICTURES in fields and _BYTES in members:
            content, ends = members[_BYTES].tobytes(), members[_ENDS].tolist()
            record[PICTURES] = [content[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)]
    return record


__all__ = ["ARRAYS", "PICTURES", "Item", "encode", "read"]
