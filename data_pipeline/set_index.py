"""What a data set says of itself: xdancer.json, the format, settings and a fingerprint; index.npz, its clips in order.

The fingerprint is a sha256 of the format, of the settings, the music's feature set and the index, whose digests are of
all that the clips hold. Place, date, number of shards and workers do not enter, so a copied or renamed folder keeps it,
and the same set made twice has one.
"""

import dataclasses
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from etils import epath

from data_pipeline import schema
from data_pipeline.feature_sets import FeatureSet
from data_pipeline.prepared_clips import Item

FORMAT: Final = 2  # raised whenever sets prepared before can no longer be read as they are meant
NAME: Final = "xdancer.json"
INDEX: Final = "index.npz"
_WAY_OUT: Final = (
    "move the folder away or delete it, then prepare it again with python -m launch.prepare --config "
    "configs/data.py:VARIANT --data DIR"
)


@dataclasses.dataclass(frozen=True)
class Split:
    """The clips of a split in the order of their records: ids (n,) str, frames (n,) int64, songs (n,) int64, rows of
    the part "songs" or -1, digests (n,) str of their prepared files."""

    ids: np.ndarray
    frames: np.ndarray
    songs: np.ndarray
    digests: np.ndarray

    @classmethod
    def of(cls, items: Sequence[Item], songs: Mapping[str, int]) -> "Split":
        """songs: row of each song by its id."""
        return cls(
            np.array([item.id for item in items], np.str_), np.array([item.frames for item in items], np.int64),
            np.array([songs.get(item.song, -1) for item in items], np.int64),
            np.array([item.digest for item in items], np.str_),
        )

    def __len__(self) -> int:
        return len(self.ids)

    def first_rows(self, per_record: int) -> np.ndarray:
        """(n,) int64: where each clip's records begin in a part that holds `per_record` frames a record."""
        return np.cumsum(np.append(0, -(-self.frames // per_record)))[:-1]


@dataclasses.dataclass(frozen=True)
class About:
    """xdancer.json. features: of the music; None for a set without. size: (H, W) of the pictures; None without."""

    fingerprint: str
    settings: Mapping[str, Any]
    features: FeatureSet | None
    size: tuple[int, int] | None
    pose_run: int


def fingerprint(
    splits: Mapping[str, Split], settings: Mapping[str, Any], features: FeatureSet | None, size: Sequence[int] | None
) -> str:
    """64 hex digits."""
    digest = hashlib.sha256(json.dumps(_known(settings, features, size), sort_keys=True).encode())
    for name, split in sorted(splits.items()):
        columns = (getattr(split, field.name).tolist() for field in dataclasses.fields(Split))
        for row in zip(*columns, strict=True):
            digest.update(json.dumps([name, *row]).encode())
    return digest.hexdigest()


def _known(settings: Mapping[str, Any], features: FeatureSet | None, size: Sequence[int] | None) -> dict[str, Any]:
    return {
        "format": FORMAT, "settings": dict(settings), "music": features and features.to_json(),
        "size": size and list(size), "pose_run": schema.POSE_RUN,
    }


def write(
    folder: str | os.PathLike[str], splits: Mapping[str, Split], settings: Mapping[str, Any],
    features: FeatureSet | None, size: Sequence[int] | None,
) -> None:
    """Writes both files into a folder that takes its name when everything is in it."""
    folder = epath.Path(folder)
    arrays = {
        f"{name}.{field.name}": getattr(split, field.name)
        for name, split in splits.items() for field in dataclasses.fields(Split)
    }
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    (folder / INDEX).write_bytes(content.getvalue())
    known = {**_known(settings, features, size), "fingerprint": fingerprint(splits, settings, features, size)}
    (folder / NAME).write_text(json.dumps(known, indent=1) + "\n")


def read(folder: str | os.PathLike[str]) -> About:
    """What `folder` states; the parts are not read.

    Raises ValueError, one line, for a set without xdancer.json, of another format, or with one that is not readable.
    """
    path = epath.Path(folder) / NAME
    if not path.exists():
        raise ValueError(f"{folder}: a data set prepared by another version, without {NAME}; {_WAY_OUT}")
    try:
        known = json.loads(path.read_text())
        found = known["format"]
        if found != FORMAT:
            raise ValueError(
                f"{folder}: a data set prepared by another version, in format {found}; this one reads {FORMAT}; "
                f"{_WAY_OUT}"
            )
        features, size = known["music"], known["size"]
        return About(
            known["fingerprint"], known["settings"], features and FeatureSet.from_json(features),
            size and tuple(size), known["pose_run"],
        )
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: not readable ({type(error).__name__}: {error}); {_WAY_OUT}") from error


def read_splits(folder: str | os.PathLike[str]) -> dict[str, Split]:
    """The index: every split by its name. Raises ValueError for one that is damaged."""
    path = epath.Path(folder) / INDEX
    try:
        with path.open("rb") as file, np.load(io.BytesIO(file.read()), allow_pickle=False) as arrays:
            names = dict.fromkeys(key.split(".")[0] for key in arrays)
            return {
                name: Split(*(arrays[f"{name}.{field.name}"] for field in dataclasses.fields(Split))) for name in names
            }
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: the index is damaged or missing ({type(error).__name__}); {_WAY_OUT}") from error


def read_split(folder: str | os.PathLike[str], name: str) -> Split:
    """The index of a split. Raises ValueError for an unknown one, or an index that is damaged."""
    found = read_splits(folder)
    if name not in found:
        raise ValueError(f"{folder}: has no split {name!r}; it has {', '.join(sorted(found))}")
    return found[name]


__all__ = ["FORMAT", "INDEX", "NAME", "About", "Split", "fingerprint", "read", "read_split", "read_splits", "write"]
