"""Writes what networks make of a data set, shard by shard: each file is whole or not there, so that a run goes on.

tfds is imported here, so whoever only loads data should not import this module.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np
import tensorflow_datasets as tfds
from etils import epath

from data_pipeline import computed, schema
from data_pipeline.computed import About
from data_pipeline.files import check_here, check_no_pattern, put
from data_pipeline.set_index import Split

_FORMAT: Final = tfds.core.FileFormat.ARRAY_RECORD


class Shard(NamedTuple):
    """A file: neighbouring clips of a split, rows `first` to `last` - 1 of its index."""

    split: str
    number: int
    of: int
    first: int
    last: int


def shards(splits: Mapping[str, Split], about: About, most_bytes: int) -> list[Shard]:
    """All shards of a kind: clips that together take some `most_bytes`."""
    size = int(np.prod(about.shape)) * np.dtype(about.dtype).itemsize
    found = []
    for name, split in splits.items():
        sizes = about.counts(split) * size
        numbers = (np.cumsum(sizes) - sizes) // most_bytes
        edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(split)]
        pairs = list(zip(edges[:-1], edges[1:], strict=True))
        found += [Shard(name, number, len(pairs), *pair) for number, pair in enumerate(pairs)]
    return found


def lengths(splits: Mapping[str, Split], about: About, found: Iterable[Shard]) -> dict[str, tuple[int, ...]]:
    """Of each split the number of records in each of its shards."""
    made: dict[str, list[int]] = {}
    for shard in found:
        made.setdefault(shard.split, []).append(int(about.counts(splits[shard.split])[shard.first : shard.last].sum()))
    return {name: tuple(counts) for name, counts in made.items()}


class Writer:
    """The files of one kind in OUT."""

    def __init__(self, out: str, about: About):
        """Raises ValueError where OUT holds other ones of this kind, or is not on this machine."""
        check_here(out)
        check_no_pattern(out)
        self._folder, self._about = epath.Path(out, about.kind), about
        self._files = self._folder / schema.VERSION
        path = self._folder / computed.ABOUT
        if path.exists() and (there := computed.parsed(path)) != about:
            other = next(name for name in about.to_json() if name != "format" and _differ(name, there, about))
            raise ValueError(f"{self._folder}: other ones lie there (they differ in {other}); give another --out")
        self._files.mkdir(parents=True, exist_ok=True)
        put(path, (json.dumps(about.to_json(), indent=1) + "\n").encode())
        shape = tuple(about.shape)
        self._features = tfds.features.FeaturesDict({
            about.kind: tfds.features.Tensor(shape=shape, dtype=np.dtype(about.dtype), encoding="bytes")
        })

    def is_there(self, shard: Shard) -> bool:
        return self._path(shard).exists()

    def write(self, shard: Shard, arrays: Iterable[np.ndarray]) -> None:
        """Writes a shard of these records; it gets its name when all are in it."""
        path = self._path(shard)
        begun = self._folder / f"incomplete.{path.name}"
        tfds.core.file_adapters.ADAPTER_FOR_FORMAT[_FORMAT].write_examples(begun, self._serialized(arrays))
        begun.rename(path)

    def _serialized(self, arrays: Iterable[np.ndarray]) -> Iterator[tuple[int, bytes]]:
        for number, array in enumerate(arrays):
            yield number, self._features.serialize_example({self._about.kind: array})

    def finish(self) -> bool:
        """Whether all shards are there; they are a data set then."""
        names = {
            split: [self._name(split, number, len(counts)) for number in range(len(counts))]
            for split, counts in self._about.shards.items()
        }
        if not all((self._files / name).exists() for found in names.values() for name in found):
            return False
        template = tfds.core.ShardedFileTemplate(
            data_dir=self._files, dataset_name=self._about.kind, filetype_suffix=_FORMAT.file_suffix
        )
        infos = [
            tfds.core.SplitInfo(
                name=split, shard_lengths=list(counts), filename_template=template,
                num_bytes=sum((self._files / name).stat().length for name in names[split]),
            ) for split, counts in self._about.shards.items()
        ]
        tfds.folder_dataset.write_metadata(
            data_dir=self._files, features=self._features, split_infos=infos, version=schema.VERSION,
            filename_template=template, check_data=False,
        )
        return True

    def _path(self, shard: Shard) -> epath.Path:
        return self._files / self._name(shard.split, shard.number, shard.of)

    def _name(self, split: str, number: int, of: int) -> str:
        return f"{self._about.kind}-{split}.{_FORMAT.file_suffix}-{number:05d}-of-{of:05d}"


def _differ(name: str, one: About, other: About) -> bool:
    return one.to_json()[name] != other.to_json()[name]


__all__ = ["Shard", "Writer", "lengths", "shards"]
