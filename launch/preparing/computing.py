"""What a run's networks make of a data set, written beside it: pose tokens, latents, image embeddings.

Every process computes shards of its own on its own devices, and needs no other: one that is started again, or joins
later, goes on with the shards that are not there.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grain
import jax
import jax.numpy as jnp
import numpy as np

from data_pipeline import computed_files, schema, set_index, sources
from data_pipeline.computed import About
from data_pipeline.computed_files import Shard, Writer
from data_pipeline.schema import FRAMES
from launch.runs.computed import PART
from launch.runs.computed import maker as maker_of
from launch.runs.loading import Run
from launch.shell.progress import Bar
from xdancer_jax.models import image_encoder
from xdancer_jax.stages import autoencoder, tokenizer
from xdancer_jax.typing import Array

# What may be asked for -> the kinds of computed.KINDS that it is.
KINDS = {"tokens": ("tokens", "still_tokens"), "latents": ("latents",), "embeddings": ("embeddings",)}
_THREADS = 4  # that read and decode ahead


@dataclasses.dataclass(frozen=True)
class _Inputs:
    """Of the records of a shard, one an index. cut: (clip, number of its record) -> array."""

    clips: sources.StoredClips
    cut: Callable[[Any, int], np.ndarray]
    place: np.ndarray  # (n, 2) row of the clip, number of the record

    def __len__(self) -> int:
        return len(self.place)

    def __getitem__(self, index: int) -> np.ndarray:
        row, number = self.place[index].tolist()
        return self.cut(self.clips[row], number)


@dataclasses.dataclass(frozen=True)
class _Maker:
    """reads: field of the clips. cut: see _Inputs. function: (weights, inputs (B, ...)) -> records (B, ...)."""

    reads: str
    cut: Callable[[Any, int], np.ndarray]
    function: Callable[[Any, Array], Array]


def kinds_of(run: Run) -> list[str]:
    """What the run's networks can make."""
    return [kind for kind in KINDS if PART[kind] in run.modules]


def compute(
    run: Run, data_dir: str, out: str, kinds: Sequence[str], batch_size: int, shard_bytes: int, quiet: bool = False
) -> None:
    """Writes `kinds` of every split of the set into `out`, of which what is there is kept.

    batch_size: records at once, over all devices of this process; a multiple of them.

    Raises:
      FileNotFoundError, ValueError: no such data set, one without pictures, other records in `out`, a batch that the
        devices do not divide, numbers that are not finite.
      OSError: writing fails.
    """
    if batch_size % run.place.ways:
        raise ValueError(f"--batch_size={batch_size}: is split over {run.place.ways} devices; give a multiple of them")
    folder = sources.find(data_dir)
    for kind in kinds:
        for each in KINDS[kind]:
            _compute(run, folder, out, each, batch_size, shard_bytes, quiet)


def _compute(
    run: Run, folder: str, out: str, kind: str, batch_size: int, shard_bytes: int, quiet: bool
) -> None:
    splits, maker = set_index.read_splits(folder), _maker(run, kind)
    about, shards = _planned(run, folder, kind, maker, splits, shard_bytes)
    writer = Writer(out, about)
    own = [shard for shard in shards[jax.process_index() :: jax.process_count()] if not writer.is_there(shard)]
    clips = {split: sources.from_directory(folder, split, (maker.reads,)) for split in splits}
    weights = run.place.whole(run.variables(PART[kind]))
    records = {shard: _places(about, splits[shard.split], shard) for shard in own}
    done, total = 0, sum(map(len, records.values()))
    with Bar(kind, "record", quiet or not own) as progress, run.place.active():
        function = jax.jit(maker.function)
        for shard, places in records.items():
            inputs = _Inputs(clips[shard.split], maker.cut, places)
            arrays = _made(function, weights, inputs, run.place.split, batch_size)
            writer.write(shard, _checked(arrays, kind, shard))
            done += len(places)
            progress(done, total)
    writer.finish()


def _planned(
    run: Run, folder: str, kind: str, maker: _Maker, splits: dict[str, set_index.Split], shard_bytes: int
) -> tuple[About, list[Shard]]:
    first = next(iter(splits))
    example = maker.cut(sources.from_directory(folder, first, (maker.reads,))[0], 0)
    one = jax.ShapeDtypeStruct((1, *example.shape), example.dtype)
    made = jax.eval_shape(maker.function, run.variables(PART[kind]), one)
    reach = run.modules["tokenizer"].reach if PART[kind] == "tokenizer" else 0
    about = About(
        kind, set_index.read(folder).fingerprint, maker_of(run.config, kind, run.digests[PART[kind]]), reach,
        made.shape[1:], str(made.dtype), {},
    )
    shards = computed_files.shards(splits, about, shard_bytes)
    return dataclasses.replace(about, shards=computed_files.lengths(splits, about, shards)), shards


def _places(about: About, split: set_index.Split, shard: Shard) -> np.ndarray:
    rows = np.arange(shard.first, shard.last)
    counts = about.counts(split)[rows]
    numbers = np.concatenate([np.arange(count) for count in counts])
    return np.stack([np.repeat(rows, counts), numbers], axis=1)


def _made(
    function: Callable[[Any, Array], Array], weights: Any, inputs: _Inputs, split: Callable[[Any], Any], size: int
) -> Iterator[np.ndarray]:
    """Records in order; a batch is read and the one before it written while the devices compute."""
    options = grain.ReadOptions(num_threads=_THREADS, prefetch_buffer_size=2 * _THREADS)
    batches = grain.MapDataset.source(inputs).to_iter_dataset(options).batch(size)
    under_way: tuple[Array, int] | None = None
    for batch in batches:
        count = len(batch)
        batch = np.concatenate([batch, np.repeat(batch[-1:], size - count, axis=0)]) if count < size else batch
        begun = function(weights, split(batch)), count
        if under_way is not None:
            yield from np.asarray(under_way[0])[: under_way[1]]
        under_way = begun
    if under_way is not None:
        yield from np.asarray(under_way[0])[: under_way[1]]


def _checked(arrays: Iterator[np.ndarray], kind: str, shard: Shard) -> Iterator[np.ndarray]:
    for number, array in enumerate(arrays):
        if not np.isfinite(array).all():
            raise ValueError(f"{kind}: record {number} of shard {shard.number} of {shard.split} is not finite; is the "
                             "run's dtype too narrow? --dtype float32 computes in float32")  # fmt: skip
        yield array


def _maker(run: Run, kind: str) -> _Maker:
    if PART[kind] == "tokenizer":
        return _tokens(run.modules["tokenizer"], kind == "still_tokens")
    if kind == "latents":
        module = run.modules["autoencoder"]
        return _Maker(FRAMES, _picture, lambda weights, frames: autoencoder.moments(module, weights, frames))
    module = run.modules["image_encoder"]

    def embed(weights: Any, frames: Array) -> Array:
        return module.apply(weights, image_encoder.preprocess(frames, module.image_size, module.framing))[:, 0]

    return _Maker(FRAMES, _picture, embed)


def _picture(clip: Any, number: int) -> np.ndarray:
    return clip.image(number)


def _tokens(module: Any, still: bool) -> _Maker:
    """Windows with what their tokens depend on: before a clip its first pose, after it its last, as loaders have it."""
    reach, run = module.reach, schema.POSE_RUN

    def window(clip: Any, number: int) -> np.ndarray:
        start = number * run - (reach + 1) - reach
        return _poses(clip, np.arange(start, start + run + 2 * reach))

    def standing(clip: Any, number: int) -> np.ndarray:
        index = np.arange(-2 * reach - 1, 2 * reach)
        return _poses(clip, number + np.maximum(index, 0))

    frames = 2 * reach + 1 if still else run

    def encode(weights: Any, poses: Array) -> Array:
        return tokenizer.encode(module, weights, poses, frames).astype(jnp.int16)

    return _Maker("poses", standing if still else window, encode)


def _poses(clip: Any, index: np.ndarray) -> np.ndarray:
    index = np.clip(index, 0, clip.frames - 1)
    return clip.poses(int(index[0]), int(index[-1]) + 1)[index - index[0]]


def batch_size(wanted: int | None, ways: int) -> int:
    """Records at once: `wanted`, or some 32, a multiple of `ways`."""
    return wanted or ways * math.ceil(32 / ways)


__all__ = ["KINDS", "batch_size", "compute", "kinds_of"]
