"""What a prepared data set says of itself, in xdancer.json: the format it lies in, and a fingerprint of what it holds.

The fingerprint is a sha256 of the format, of the settings the set was made with and of its files' bytes. Place, date
and number of workers do not enter, so a copied or renamed folder keeps it and the same set made twice has one.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any, Final

from etils import epath

FORMAT: Final = 1  # raised whenever sets prepared before can no longer be read as they are meant
NAME: Final = "xdancer.json"
_SHARDS: Final = "*.array_record-*-of-*"
_BLOCK: Final = 2**20  # bytes held at once
_WAY_OUT: Final = (
    "move the folder away or delete it, then prepare it again with python -m launch.prepare --data DIR, or "
    "launch.prepare_poses"
)


def write(folder: str | os.PathLike[str], settings: Mapping[str, Any]) -> None:
    """Writes xdancer.json of the finished ArrayRecord files in `folder`. `settings` is what JSON can hold.

    Whoever calls this does so in a folder that takes its name when everything is in it.
    """
    folder = epath.Path(folder)
    made = {"format": FORMAT, "settings": dict(settings), "content": _content(folder)}
    digest = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()
    known = {"format": FORMAT, "fingerprint": digest, "settings": made["settings"]}
    (folder / NAME).write_text(json.dumps(known, indent=1) + "\n")


def read(folder: str | os.PathLike[str]) -> str:
    """The fingerprint that `folder` states, 64 hex digits; its files are not read.

    Raises ValueError, one line, for a set without xdancer.json, of another format, or with one that is not readable.
    """
    path = epath.Path(folder) / NAME
    if not path.exists():
        raise ValueError(f"{folder}: a data set prepared by another version, without {NAME}; {_WAY_OUT}")
    try:
        known = json.loads(path.read_text())
        found, fingerprint = known["format"], known["fingerprint"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not readable ({type(error).__name__}: {error}); {_WAY_OUT}") from error
    if found != FORMAT:
        raise ValueError(
            f"{folder}: a data set prepared by another version, in format {found}; this one reads {FORMAT}; {_WAY_OUT}"
        )
    return fingerprint


def _content(folder: epath.Path) -> str:
    """sha256 of names and bytes of the shards, in the order of their names. Streamed: sets are larger than memory."""
    digest = hashlib.sha256()
    for shard in sorted(folder.glob(_SHARDS), key=lambda path: path.name):
        one = hashlib.sha256()
        with shard.open("rb") as file:
            while block := file.read(_BLOCK):
                one.update(block)
        digest.update(f"{shard.name} {one.hexdigest()}\n".encode())
    return digest.hexdigest()
