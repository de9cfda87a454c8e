"""Random access to the records of a part of a data set: ArrayRecord files that TFDS wrote."""

import collections
import contextlib
import threading
from collections.abc import Iterator
from typing import Any, Final

from data_pipeline import schema
from data_pipeline.files import one_line
from data_pipeline.schema import Record

CACHE_BYTES: Final = 256 * 2**20


class DamagedError(ValueError):
    """A record that does not read; the message names its clip, part and file."""


class RecordFiles:
    """Records of one part and split. Each is parsed once and kept, oldest use dropped first, within `cache_bytes`.

    Thread-safe. Other processes get the files, not what is kept. `bytes_read` counts what was read from the files.
    """

    def __init__(self, folder: str, split: str, cache_bytes: int = CACHE_BYTES):
        """folder: of the part's data set. Raises ValueError where it cannot be read."""
        self._folder, self._split, self._cache_bytes = folder, split, cache_bytes
        self._examples, self._shards = _open(folder, split)
        self._cache: collections.OrderedDict[int, tuple[Record, int]] = collections.OrderedDict()
        self._held, self.bytes_read = 0, 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._examples)

    def __reduce__(self) -> tuple[Any, ...]:
        return RecordFiles, (self._folder, self._split, self._cache_bytes)

    def read(self, row: int, clip: str) -> Record:
        """The record at `row`, of the clip of this name. Raises DamagedError."""
        row = int(row)
        with self._lock:
            if row in self._cache:
                self._cache.move_to_end(row)
                return self._cache[row][0]
        record = self._parsed(row, clip)
        size = sum(getattr(value, "nbytes", 0) or len(value) if hasattr(value, "__len__") else 8
                   for value in record.values())  # fmt: skip
        with self._lock:
            self.bytes_read += size
            if row not in self._cache and size <= self._cache_bytes:
                self._cache[row] = record, size
                self._held += size
                while self._held > self._cache_bytes:
                    self._held -= self._cache.popitem(last=False)[1][1]
        return record

    def check(self) -> None:
        """Reads a record of each file: it is there, and not cut off. Raises DamagedError."""
        row = 0
        for name, length in self._shards:
            try:
                schema.decode(self._examples[row])
            except Exception as error:  # see below
                raise DamagedError(f"{name}: damaged ({one_line(error)})") from error
            row += length

    def _parsed(self, row: int, clip: str) -> Record:
        try:
            record = schema.decode(self._examples[row])
            schema.check_numbers({"id": clip, **{name: record[name] for name in ("poses", "music") if name in record}})
            return record
        except Exception as error:  # what damaged bytes provoke in ArrayRecord, protobuf, tfds and numpy
            raise DamagedError(
                f"record {clip}: damaged in {self.place(row)} ({one_line(error)}); copy the data set again, or delete "
                "it and prepare it again"
            ) from error

    def place(self, row: int) -> str:
        """The file that holds a row, and its number there."""
        for name, length in self._shards:
            if row < length:
                return f"{name}, its record {row}"
            row -= length
        return self._folder


def _open(folder: str, split: str) -> tuple[Any, list[tuple[str, int]]]:
    """(TFDS' data source, of each shard its file and number of records)."""
    import tensorflow_datasets as tfds
    from google.protobuf import json_format

    with damage(folder, ValueError, json_format.ParseError):
        builder = tfds.builder_from_directory(folder)
    if builder.info.file_format != tfds.core.FileFormat.ARRAY_RECORD:
        raise ValueError(f"{folder}: files are not array_record; prepare the data set again")
    with damage(folder, KeyError):
        info = builder.info.splits[split]
        shards = [(str(path), length) for path, length in zip(info.filepaths, info.shard_lengths, strict=True)]
        return builder.as_data_source(split=split), shards


@contextlib.contextmanager
def damage(folder: str, *errors: type[Exception]) -> Iterator[None]:
    """Names the folder where tfds or the ArrayRecord reader (RuntimeError, OSError) fails, or any of `errors`."""
    try:
        yield
    except (RuntimeError, OSError, *errors) as error:
        raise ValueError(
            f"{folder}: the data set is damaged ({one_line(error)}); copy it again, or delete it and prepare it again"
        ) from error


__all__ = ["CACHE_BYTES", "DamagedError", "RecordFiles", "damage"]
