"""What networks made of the clips of a data set before training, in a folder beside it: launch.precompute.

OUT/KIND/about.json says of which set and by which weights; OUT/KIND/VERSION is a data set of TFDS, as a set's parts
are, with records in the order of the set's index:

    tokens        of a clip's frames, and of those that stand still before its first, schema.POSE_RUN frames a record
    still_tokens  of each frame, as if all frames before it stood still in its pose: those around it that this changes
    latents       of each frame: mean and log variance
    embeddings    of each frame
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from etils import epath

from data_pipeline import schema
from data_pipeline.record_files import RecordFiles
from data_pipeline.set_index import Split

KINDS: Final = ("tokens", "still_tokens", "latents", "embeddings")
ABOUT: Final = "about.json"
_FORMAT: Final = 1
_AGAIN: Final = "make it with python -m launch.precompute --run RUN --data DATA --out OUT"


@dataclasses.dataclass(frozen=True)
class About:
    """kind: one of KINDS. data: fingerprint of the set. weights: digest of the part that made it. reach: of the
    tokenizer, frames to either side that a token depends on. shape, dtype: of a record's array. shards: of each split
    the number of records in each of its files."""

    kind: str
    data: str
    weights: str
    reach: int
    shape: tuple[int, ...]
    dtype: str
    shards: Mapping[str, tuple[int, ...]]

    @property
    def before(self) -> int:
        """Frames before a clip's first that have tokens: the farthest sees nothing but the first pose any more."""
        return self.reach + 1 if self.kind == "tokens" else 0

    @property
    def run(self) -> int:
        """Frames a record."""
        return schema.POSE_RUN if self.kind == "tokens" else 1

    def counts(self, split: Split) -> np.ndarray:
        """(n,) int64: records of each clip."""
        return -(-(split.frames + self.before) // self.run)

    def to_json(self) -> dict[str, Any]:
        return {"format": _FORMAT, **dataclasses.asdict(self)}


def read(folder: str, kind: str) -> About:
    """What OUT holds of a kind. Raises FileNotFoundError where it has none; ValueError where that is not finished or
    not of this version."""
    path = epath.Path(folder, kind, ABOUT)
    if not path.exists():
        raise FileNotFoundError(f"{folder}: holds no {kind}; {_AGAIN}")
    about = parsed(path)
    if not epath.Path(folder, kind, schema.VERSION, "dataset_info.json").exists():
        raise ValueError(f"{folder}: its {kind} are not finished; the same launch.precompute goes on with them")
    return about


def parsed(path: epath.Path) -> About:
    """An about.json. Raises ValueError for another format."""
    try:
        known = json.loads(path.read_text())
        if known.pop("format") != _FORMAT:
            raise ValueError("another version's")
        shards = {name: tuple(lengths) for name, lengths in known.pop("shards").items()}
        return About(**{**known, "shape": tuple(known["shape"])}, shards=shards)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not readable ({error}); delete its folder and {_AGAIN}") from error


class Values:
    """A kind's records of one split, by clip and frame."""

    def __init__(self, folder: str, kind: str, fingerprint: str, name: str, split: Split, cache_bytes: int):
        """fingerprint: of the set. name, split: of its split. Raises as `read` does, and ValueError where it is of
        another set."""
        self._about = read(folder, kind)
        if self._about.data != fingerprint:
            raise ValueError(f"{folder}: its {kind} were made of another data set; {_AGAIN}")
        self._first = np.cumsum(np.append(0, self._about.counts(split)))
        self._files = RecordFiles(str(epath.Path(folder, kind, schema.VERSION)), name, cache_bytes)

    def at(self, clip: int, name: str, frame: int) -> np.ndarray:
        """Of one frame of the clip in row `clip`, called `name`. Raises DamagedError."""
        return self._files.read(int(self._first[clip]) + frame, name)[self._about.kind]

    def between(self, clip: int, name: str, start: int, stop: int) -> np.ndarray:
        """Of the frames start to stop - 1, the first of which may lie before the clip's. Raises DamagedError."""
        rows = np.maximum(np.arange(start, stop) + self._about.before, 0)
        runs, places = np.divmod(rows, self._about.run)
        found = {run: self.at(clip, name, int(run)) for run in np.unique(runs)}
        return np.stack([found[run][place] for run, place in zip(runs, places, strict=True)])


__all__ = ["ABOUT", "KINDS", "About", "Values", "parsed", "read"]
