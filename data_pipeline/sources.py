"""The clips of a split, for Grain: of a data set on disk, or from memory; passes over them, and mixtures."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from etils import epath

from data_pipeline import computed, files, schema, set_index
from data_pipeline.clip_views import ClipView, MemoryClip, StoredClip
from data_pipeline.feature_sets import FeatureSet
from data_pipeline.record_files import CACHE_BYTES, RecordFiles

_ENDLESS: Final = 2**48  # entries; sys.maxsize overflows where Grain rounds it up to whole batches of 1


class StoredClips:
    """Clips of a split of the data set in `folder`. Only the parts that hold `fields` are opened.

    made: of the fields that were computed beforehand (computed.KINDS) the folder that holds them.

    Raises ValueError for an unknown split, damaged files, and fields that the set does not have.
    """

    def __init__(
        self, folder: str, split: str, fields: Sequence[str], cache_bytes: int = CACHE_BYTES,
        made: Mapping[str, str] | None = None,
    ):
        self._arguments = (folder, split, tuple(fields), cache_bytes, made)
        about, self._index = set_index.read(folder), set_index.read_split(folder, split)
        made = {field: where for field, where in (made or {}).items() if field in fields}
        self._values = {
            kind: computed.Values(where, kind, about.fingerprint, split, self._index, cache_bytes)
            for kind, where in made.items()
        }
        fields = [field for field in fields if field not in made]
        _check_fields(folder, fields, about)
        self._runs, self._pictures = self._index.first_rows(about.pose_run), self._index.first_rows(1)
        self.parts = {
            part: RecordFiles(
                str(epath.Path(folder, part, schema.VERSION)), schema.SONGS_SPLIT if part == "songs" else split,
                cache_bytes,
            ) for part in dict.fromkeys(schema.FIELDS[field][0] for field in fields if field != "id")
        }

    def __len__(self) -> int:
        return len(self._index)

    def __repr__(self) -> str:
        return f"StoredClips{self._arguments[:3]}"

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredClips, self._arguments

    def __getitem__(self, row: int) -> ClipView:
        index = self._index
        return StoredClip(
            self.parts, row, str(index.ids[row]), int(index.frames[row]), int(self._runs[row]),
            int(self._pictures[row]), int(index.songs[row]), self._values,
        )


def _check_fields(folder: str, fields: Sequence[str], about: set_index.About) -> None:
    lacking = []
    if about.features is None:
        lacking += [field for field in ("music", "beats", "audio", "audio_rate") if field in fields]
    if about.size is None and schema.FRAMES in fields:
        lacking.append(schema.FRAMES)
    if lacking:
        raise ValueError(
            f"{folder}: the data set has no {' and no '.join(lacking)}, which this needs; prepare one that has"
        )


class MemoryClips:
    """Clips of records in memory. Raises ValueError for one that lacks one of `fields`."""

    def __init__(self, records: Sequence[Mapping[str, Any]], fields: Sequence[str]):
        self._records, self._fields = records, fields
        for row, record in enumerate(records):
            missing = [field for field in fields if field not in record]
            if missing:
                name = record.get("id", row)
                raise ValueError(f"record {name}: lacks {', '.join(missing)}; this loader needs {', '.join(fields)}")

    def __len__(self) -> int:
        return len(self._records)

    def __repr__(self) -> str:
        return f"MemoryClips({len(self)} with {', '.join(self._fields)})"

    def __getitem__(self, row: int) -> ClipView:
        return MemoryClip(self._records[row], int(row))


Clips = StoredClips | MemoryClips


class Epochs:
    """Pass after pass over a source: entry i is a clip of pass i // n, a new order each pass if shuffled.

    In place of Grain's shuffle, whose cost per entry grows as the source gets smaller (15 ms at 6 records, measured:
    it walks a 16-bit cipher until the index falls into the source). Of the source a `share` is used, at least one
    record: the same ones whatever the seed, and among those of every larger share.
    """

    def __init__(self, source: Clips, seed: int, shuffle: bool, num_epochs: int | None, share: float = 1.0):
        self._source, self._seed, self._shuffle, self._num_epochs = source, seed, shuffle, num_epochs
        count = max(1, round(share * len(source)))
        self._used = np.sort(np.random.default_rng(0).permutation(len(source))[:count])
        self._order = (-1, self._used)  # of the pass in use; swapped whole, so threads need no lock

    @property
    def records(self) -> int:
        """Of a pass."""
        return len(self._used)

    def __len__(self) -> int:
        return _ENDLESS if self._num_epochs is None else self._num_epochs * self.records

    def __repr__(self) -> str:
        return (
            f"Epochs({self.records} of {self._source!r}, seed={self._seed}, shuffle={self._shuffle}, "
            f"num_epochs={self._num_epochs})"
        )

    def drawn(self, rng: np.random.Generator) -> ClipView:
        """One of the records that are used, by chance."""
        return self._source[int(self._used[rng.integers(self.records)])]

    def __getitem__(self, index: int) -> ClipView:
        epoch, position = divmod(int(index), self.records)
        if not self._shuffle:
            return self._source[int(self._used[position])]
        known, order = self._order
        if known != epoch:
            order = self._used[np.random.default_rng((self._seed, epoch)).permutation(self.records)]
            self._order = epoch, order
        return self._source[int(order[position])]


class Replay:
    """Entry i is (record, True) of `replayed` with probability `rate`, else (record, False) of `own`.

    Which of the two is a function of (seed, i) alone, and the record is entry i of it: the examples that are not
    replayed are those of a run without replay.
    """

    def __init__(self, own: Epochs, replayed: Epochs, seed: int, rate: float):
        self.own, self.replayed, self._seed, self._rate = own, replayed, seed, rate

    def __len__(self) -> int:
        return len(self.own)

    def __repr__(self) -> str:
        return f"Replay({self.own!r}, {self.replayed!r}, seed={self._seed}, rate={self._rate})"

    def __getitem__(self, index: int) -> tuple[ClipView, bool]:
        # The 1 keeps this stream apart from those of the passes, (seed, pass): numpy ignores zeros at the end.
        chosen = np.random.default_rng((self._seed, int(index), 1)).random() < self._rate
        return (self.replayed if chosen else self.own)[index], bool(chosen)


def from_directory(
    data_dir: str, split: str, fields: Sequence[str], cache_bytes: int = CACHE_BYTES,
    made: Mapping[str, str] | None = None,
) -> StoredClips:
    """The split of the data set under `data_dir`: its folder, or any folder that holds exactly one.

    made: see StoredClips.

    Raises:
        FileNotFoundError: no data set there, or nothing of what was computed.
        ValueError: several data sets there, one that another version prepared, damaged files, an unknown split, or
            fields that the set does not have.
    """
    return StoredClips(find(data_dir), split, fields, cache_bytes, made)


def from_arrays(records: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> MemoryClips:
    """Records in memory, for poses without music or pictures and for tests; only `fields` have to be there."""
    return MemoryClips(records, fields)


def fingerprint(data_dir: str) -> str:
    """The fingerprint of the data set under `data_dir`: 64 hex digits, the same wherever the set lies.

    Raises FileNotFoundError and ValueError as `from_directory` does.
    """
    return set_index.read(find(data_dir)).fingerprint


def features(data_dir: str) -> FeatureSet | None:
    """What its music was made by; None for a set without. Raises as `fingerprint` does."""
    return set_index.read(find(data_dir)).features


def find(data_dir: str) -> str:
    """The one folder at or up to three levels below `data_dir`, here or in gs://, that holds an xdancer.json."""
    files.check_known(data_dir)
    files.check_no_pattern(data_dir)
    for depth in range(4):
        infos = epath.Path(data_dir).glob("/".join(["*"] * depth + [set_index.NAME]))
        # A killed build leaves a folder that is no set.
        found = [info.parent for info in infos if not info.parent.name.startswith("incomplete.")]
        if len(found) > 1:
            names = ", ".join(map(str, sorted(found)))
            raise ValueError(f"{data_dir}: holds {len(found)} data sets; name one: {names}")
        if found:
            return str(found[0])
    raise FileNotFoundError(
        f"{data_dir}: no data set here; prepare one with python -m launch.prepare --config configs/data.py:VARIANT "
        "--data DIR"
    )
