"""Random access to records for Grain: from ArrayRecord files that tfds wrote, or from memory."""

import collections
import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from data_pipeline import files, fingerprints, schema
from data_pipeline.schema import Record

CACHE_BYTES: Final = 512 * 2**20
_ENDLESS: Final = 2**48  # entries; sys.maxsize overflows where Grain rounds it up to whole batches of 1


class RecordSource:
    """Records of one split. Each is parsed once and kept, oldest use dropped first, within `cache_bytes`.

    Only `fields` are kept, so a pose loader does not hold pictures; frames are kept as JPEG bytes. Thread-safe.
    """

    def __init__(
        self, examples: Sequence[Mapping[str, Any]], fields: Sequence[str], cache_bytes: int = CACHE_BYTES,
        folder: str = "memory",
    ):
        """`folder` is where the examples lie, for messages."""
        self._examples, self._folder = examples, folder
        self._fields = tuple(fields)
        self._cache_bytes = cache_bytes
        self._cache: collections.OrderedDict[int, tuple[Record, int]] = collections.OrderedDict()
        self._held = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._examples)

    def __repr__(self) -> str:
        return f"RecordSource({len(self)} records of {', '.join(self._fields)})"

    def __getstate__(self) -> dict[str, Any]:
        """Worker processes get the files, not the cache: a lock and megabytes of records do not travel."""
        kept = {"examples": self._examples, "fields": self._fields, "cache_bytes": self._cache_bytes}
        return {**kept, "folder": self._folder}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)

    def __getitem__(self, index: int) -> Record:
        index = int(index)
        with self._lock:
            if index in self._cache:
                self._cache.move_to_end(index)
                return self._cache[index][0]
        record = self._read(index)
        size = _size(record)
        with self._lock:
            if index not in self._cache and size <= self._cache_bytes:
                self._cache[index] = record, size
                self._held += size
                while self._held > self._cache_bytes:
                    self._held -= self._cache.popitem(last=False)[1][1]
        return record

    def _read(self, index: int) -> Record:
        with _damage(self._folder):
            example = self._examples[index]
        missing = [field for field in self._fields if field not in example]
        if missing:
            name = example.get("id", index)
            raise ValueError(f"record {name}: lacks {', '.join(missing)}; this loader needs {', '.join(self._fields)}")
        always = {"id", "fps"} & example.keys()  # every loader names its records, and none takes another rate
        record = schema.decode({field: example[field] for field in (*always, *self._fields)})
        record.setdefault("id", str(index))
        schema.validate(record)
        return record


class Epochs:
    """Pass after pass over a source: entry i is a record of pass i // n, a new order each pass if shuffled.

    In place of Grain's shuffle, whose cost per entry grows as the source gets smaller (15 ms at 6 records, measured:
    it walks a 16-bit cipher until the index falls into the source). Of the source a `share` is used, at least one
    record: the same ones whatever the seed, and among those of every larger share.
    """

    def __init__(self, source: RecordSource, seed: int, shuffle: bool, num_epochs: int | None, share: float = 1.0):
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

    def __getitem__(self, index: int) -> Record:
        epoch, position = divmod(int(index), self.records)
        if not self._shuffle:
            return self._source[self._used[position]]
        known, order = self._order
        if known != epoch:
            order = self._used[np.random.default_rng((self._seed, epoch)).permutation(self.records)]
            self._order = epoch, order
        return self._source[order[position]]


class Replay:
    """Entry i is (record, True) of `replayed` with probability `rate`, else (record, False) of `own`.

    Which of the two is a function of (seed, i) alone, and the record is entry i of it: the examples that are not
    replayed are those of a run without replay.
    """

    def __init__(self, own: Epochs, replayed: Epochs, seed: int, rate: float):
        self._own, self._replayed, self._seed, self._rate = own, replayed, seed, rate

    def __len__(self) -> int:
        return len(self._own)

    def __repr__(self) -> str:
        return f"Replay({self._own!r}, {self._replayed!r}, seed={self._seed}, rate={self._rate})"

    def __getitem__(self, index: int) -> tuple[Record, bool]:
        # The 1 keeps this stream apart from those of the passes, (seed, pass): numpy ignores zeros at the end.
        chosen = np.random.default_rng((self._seed, int(index), 1)).random() < self._rate
        return (self._replayed if chosen else self._own)[index], bool(chosen)


def _size(record: Record) -> int:
    frames = sum(len(frame) for frame in record.get(schema.FRAMES, ()))
    return frames + sum(getattr(value, "nbytes", 64) for value in record.values())


def from_directory(
    data_dir: str, split: str, fields: Sequence[str], cache_bytes: int = CACHE_BYTES
) -> RecordSource:
    """The split of the data set under `data_dir`: a tfds version folder, or any folder that holds exactly one.

    Raises:
        FileNotFoundError: no data set there.
        ValueError: a path that TFDS takes for a pattern, several data sets there, one that another version prepared,
            damaged files, an unknown split, or files in another format.
    """
    import tensorflow_datasets as tfds
    from google.protobuf import json_format

    folder = find(data_dir)
    fingerprints.read(folder)  # refuses what another version prepared
    with _damage(folder, ValueError, json_format.ParseError):
        builder = tfds.builder_from_directory(folder)
    if split not in builder.info.splits:
        raise ValueError(f"{builder.data_dir}: has no split {split!r}; it has {', '.join(sorted(builder.info.splits))}")
    if builder.info.file_format != tfds.core.FileFormat.ARRAY_RECORD:
        raise ValueError(f"{builder.data_dir}: files are not array_record; prepare the data set again")
    with _damage(folder):
        examples = builder.as_data_source(split=split)
    return RecordSource(examples, fields, cache_bytes, folder)


@contextlib.contextmanager
def _damage(folder: str, *errors: type[Exception]) -> Iterator[None]:
    """Names the folder where tfds or the ArrayRecord reader (RuntimeError, OSError) fails, or any of `errors`."""
    try:
        yield
    except (RuntimeError, OSError, *errors) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{folder}: the data set is damaged ({reason}); copy or prepare it again") from error


def fingerprint(data_dir: str) -> str:
    """The fingerprint of the data set under `data_dir`: 64 hex digits, the same wherever the set lies.

    Raises FileNotFoundError and ValueError as `from_directory` does.
    """
    return fingerprints.read(find(data_dir))


def find(data_dir: str) -> str:
    """The one folder at or up to three levels below `data_dir`, here or in gs://, that holds a dataset_info.json."""
    from etils import epath

    files.check_known(data_dir)
    files.check_no_pattern(data_dir)
    root = epath.Path(data_dir)
    name = "dataset_info.json"
    found = [
        info.parent
        for depth in range(4)
        for info in root.glob("/".join(["*"] * depth + [name]))
        if not info.parent.name.startswith("incomplete.")  # left by a killed build
    ]
    if not found:
        raise FileNotFoundError(f"{data_dir}: no data set here; prepare one with python -m launch.prepare --data DIR")
    if len(found) > 1:
        raise ValueError(f"{data_dir}: holds {len(found)} data sets; name one: {', '.join(map(str, sorted(found)))}")
    return str(found[0])


def from_arrays(records: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> RecordSource:
    """Records in memory, for poses without music or pictures and for tests; only `fields` have to be there.

    Frames may be arrays (F, H, W, 3) uint8; they are held as JPEG all the same.
    """
    if schema.FRAMES in fields:
        records = [{**record, schema.FRAMES: schema.to_jpeg(record[schema.FRAMES])} for record in records]
    return RecordSource(records, fields)
