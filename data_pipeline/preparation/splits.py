"""Which clips are trained on, and which tested on: by a hash of what must not lie on both sides, or by lists."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

SPLITS: Final = ("train", "test")
_CAMERA: Final = re.compile(r"_c\d\d_")


def by_hash(value: str, test_share: float) -> str:
    """The split of whatever has this value: the same for ever, on any machine and in any company.

    The share of values that are tested on is `test_share` on average.
    """
    number = int.from_bytes(hashlib.sha256(value.encode()).digest()[:8], "big") / 2**64
    return "test" if number < test_share else "train"


def read_list(path: str) -> frozenset[str]:
    """Names in a text file, one a line; empty lines and what follows # are left out. Raises FileNotFoundError, and
    ValueError for a file without names."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such list of names")
    names = frozenset(filter(None, (line.split("#")[0].strip() for line in Path(path).read_text().splitlines())))
    if not names:
        raise ValueError(f"{path}: holds no names; write one a line")
    return names


def by_lists(name: str, lists: Mapping[str, frozenset[str]]) -> str | None:
    """The split whose list has the name of a clip, or the name without its camera, as AIST++ lists dances; None where
    none has."""
    names = {name, _CAMERA.sub("_cAll_", name)}
    return next((split for split, listed in lists.items() if names & listed), None)


__all__ = ["SPLITS", "by_hash", "by_lists", "read_list"]
