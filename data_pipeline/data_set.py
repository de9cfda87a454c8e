"""Writes a data set from prepared clips, through TFDS, whose ArrayRecord files lie on this machine.

There is nothing to compute here, so one process writes: all work was done where the clips were prepared.

tfds is imported here, so whoever only loads data should not import this module.
"""

import contextlib
import functools
import io
import json
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import tensorflow_datasets as tfds
from etils import epath

from data_pipeline import prepared_clips, schema, set_index
from data_pipeline.feature_sets import FeatureSet
from data_pipeline.files import check_no_pattern
from data_pipeline.prepared_clips import Item
from data_pipeline.record_files import DamagedError, RecordFiles
from data_pipeline.set_index import Split

_SHARD_BYTES: Final = 256 * 2**20
_MOST_SHARDS: Final = 1024  # of a split
_JPEG_SHARE: Final = 0.25  # bytes of a picture a pixel, to choose how many go into a shard
_SONG_BYTES: Final = 10 * 2**20
Example = dict[str, Any]
Shards = Mapping[str, Sequence[Callable[[], Iterator[tuple[int, Example]]]]]  # by split what gives each its examples


class Part(tfds.core.ShardBasedBuilder):
    """A part of a set: shards in the order of its items."""

    VERSION = tfds.core.Version(schema.VERSION)
    # tfds 4.9.10 finds this out with importlib_resources, which it requires but does not declare for Python >= 3.9.
    code_path = epath.Path(__file__)

    def __init__(self, *, shards: Shards, width: int | None, **kwargs: Any):
        """width: of the music. The rest goes to tfds."""
        self._shards, self._width = shards, width
        super().__init__(file_format="array_record", **kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            description=f"Part of a data set of xdancer_jax: {self.name}.",
            features=schema.tfds_features(self.name, self._width), disable_shuffling=True,
        )

    def _shard_iterators_per_split(self, dl_manager: Any) -> Shards:
        return self._shards


class Clips(Part):
    name = "clips"


class Poses(Part):
    name = "poses"


class Pictures(Part):
    name = "pictures"


class Songs(Part):
    name = "songs"


def write(
    folder: str, splits: Mapping[str, Sequence[Item]], songs: Sequence[Item], *, settings: Mapping[str, Any],
    features: FeatureSet | None, size: tuple[int, int] | None,
) -> str:
    """Writes the set of these clips, in this order, unless it lies there. Returns `folder`, which loaders take.

    Args:
        folder: gets its name when everything is in it; a write that was stopped leaves no data set.
        splits: by name the clips, none of them empty.
        songs: that the clips are danced to, each once.
        features: of the clips' music; None where they have none.
        size: (H, W) of the clips' pictures; None where they have none.

    Raises:
        ValueError: another set lies there, or a damaged one.
        OSError: writing fails; nothing is left.
    """
    check_no_pattern(folder)
    tfds.display_progress_bar(False)
    logging.getLogger("absl").setLevel(logging.ERROR)
    target, rows = epath.Path(folder), {item.id: row for row, item in enumerate(songs)}
    index = {name: Split.of(items, rows) for name, items in splits.items()}
    if target.exists():
        if set_index.read(folder).fingerprint == set_index.fingerprint(index, settings, features, size):
            check(folder, splits)
            return folder
        raise ValueError(
            f"{folder}: another data set lies there, of other clips or settings; give another folder, --data DIR, or "
            "move it away"
        )
    beside = target.parent / f"incomplete.{target.name}"
    try:
        _remove(beside)
        beside.mkdir(parents=True)
        width = features and features.width
        for part, shards in _parts(splits, songs, width, size):
            with contextlib.redirect_stdout(io.StringIO()):  # tells of a temporary folder
                part(shards=shards, width=width, data_dir=str(beside)).download_and_prepare()
        _remove(beside / "downloads")  # tfds makes it, and nothing is downloaded
        set_index.write(beside, index, settings, features, size)
        beside.rename(target)
    except (RuntimeError, OSError) as error:  # the ArrayRecord writer has the first for a full disk
        _remove(beside)
        message = f"{folder}: the data set could not be written, nothing is left of it: {error}"
        raise OSError(message) from error
    except BaseException:
        _remove(beside)
        raise
    return folder


def check(folder: str, splits: Collection[str]) -> None:
    """Opens all files of the finished set in `folder`. Raises ValueError where one is missing, cut off or no record
    file; damage inside a record is found by who reads it."""
    parts = [Clips, Poses, *[Pictures] * (set_index.read(folder).size is not None)]
    wanted = [(part.name, split) for part in parts for split in splits]
    if any((set_index.read_split(folder, split).songs >= 0).any() for split in splits):
        wanted.append((Songs.name, schema.SONGS_SPLIT))
    for part, split in wanted:
        try:
            RecordFiles(str(epath.Path(folder, part, schema.VERSION)), split).check()
        except DamagedError as error:
            raise ValueError(f"{error}; delete {folder} and prepare it again") from error


def _remove(folder: epath.Path) -> None:
    if folder.exists():
        folder.rmtree()


def _parts(
    splits: Mapping[str, Sequence[Item]], songs: Sequence[Item], width: int | None, size: tuple[int, int] | None
) -> Iterator[tuple[type[Part], Shards]]:
    """Each part of the set with its shards by split."""
    pose_bytes = 4 * int(np.prod(schema.FIELDS["poses"][1][1:]))
    weights = {Clips: 4 * (width or 0) + 8, Poses: pose_bytes}
    examples = {Clips: functools.partial(_clip, width=width), Poses: _pose_runs}
    if size is not None:
        weights[Pictures], examples[Pictures] = _JPEG_SHARE * size[0] * size[1], _pictures
    for part, weight in weights.items():
        yield part, {
            name: _shards(examples[part], items, [item.frames * weight for item in items])
            for name, items in splits.items()
        }
    if songs:
        yield Songs, {schema.SONGS_SPLIT: _shards(_song, songs, [_SONG_BYTES] * len(songs))}


def _shards(
    examples: Callable[[Item], Iterator[Example]], items: Sequence[Item], sizes: Sequence[float]
) -> list[Callable[[], Iterator[Any]]]:
    """What gives the examples of each shard: neighbouring items of some _SHARD_BYTES together."""
    wanted = max(_SHARD_BYTES, sum(sizes) / _MOST_SHARDS)
    numbers = (np.cumsum(sizes) - np.array(sizes)) // wanted
    shards = [[items[row] for row in np.flatnonzero(numbers == number)] for number in np.unique(numbers)]
    return [functools.partial(_examples, examples, shard) for shard in shards]


def _examples(examples: Callable[[Item], Iterator[Example]], items: Sequence[Item]) -> Iterator[tuple[int, Example]]:
    for number, example in enumerate(example for item in items for example in examples(item)):
        yield number, example
        example.clear()  # it is serialised by now, and tfds holds on to it until the shard is full


def _clip(item: Item, width: int | None) -> Iterator[Example]:
    record = {**schema.DEFAULTS, **prepared_clips.read(item.path, ("music", "beats"))}
    record["provenance"] = json.dumps(record["provenance"]) if isinstance(record["provenance"], dict) else "{}"
    wanted = schema.tfds_features("clips", width).keys()
    yield {name: record[name] for name in wanted}


def _pose_runs(item: Item) -> Iterator[Example]:
    record = prepared_clips.read(item.path, ("poses",))
    schema.validate({name: record[name] for name in ("id", "poses")})
    for start in range(0, len(record["poses"]), schema.POSE_RUN):
        yield {"poses": record["poses"][start : start + schema.POSE_RUN]}


def _pictures(item: Item) -> Iterator[Example]:
    count = 0
    for picture in prepared_clips.pictures(item.path):
        yield {schema.FRAMES: picture}
        count += 1
    if count != item.frames:
        raise ValueError(f"record {item.id}: {count} pictures beside {item.frames} poses")


def _song(item: Item) -> Iterator[Example]:
    record = prepared_clips.read(item.path, ("audio",))
    yield {"id": item.id, "audio": record["audio"], "audio_rate": record["audio_rate"]}


__all__ = ["check", "write"]
