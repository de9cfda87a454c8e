"""One loader per stage: an iterator of numpy batches whose order is a pure function of (seed, global step).

A run restarted with `start_step=n` sees what the uninterrupted run saw from step n; a run on another number of
processes sees the same global batches, process p holding rows [p * b, (p + 1) * b) of each. Grain is imported on use,
because it imports jax where jax is installed.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from data_pipeline import examples, feature_sets, sources, transforms, workers
from data_pipeline import music as feature_music
from data_pipeline.augment import Augment
from data_pipeline.examples import Batch, Examples
from data_pipeline.feature_sets import DEFAULT_MUSIC, FeatureSet
from data_pipeline.transforms import Window


@dataclasses.dataclass(frozen=True)
class Order:
    """Which examples make which batch.

    Attributes:
        batch_size: global, over all processes.
        seed: of shuffling and of every window.
        shuffle: a new order every epoch; False keeps the order of the files.
        num_epochs: passes over the clips, one window of each a pass; None never ends.
        share: of the split's clips that is used, in (0, 1]; at least one. The same clips for every seed, and a smaller
            share lies inside a larger one.
        start_step: first batch wanted.
        process_index, process_count: this process and how many share each global batch.
        worker_count: processes that prepare batches; 0 prepares them in threads of this one.
        num_threads: threads that prepare batches ahead, in each process.
        augment: how clips are changed by chance; evaluation leaves them as they are.
        corrupt: a damaged record is an error, "stop", or another clip takes its place, "skip": the same one wherever
            and whenever the example is made. Skipped records are told as warnings.
    """

    batch_size: int
    seed: int = 0
    shuffle: bool = True
    num_epochs: int | None = None
    share: float = 1.0
    start_step: int = 0
    process_index: int = 0
    process_count: int = 1
    worker_count: int = 0
    num_threads: int = 2
    augment: Augment = Augment()
    corrupt: str = "stop"

    def __post_init__(self):
        if self.batch_size < 1 or self.batch_size % self.process_count:
            raise ValueError(f"batch_size: {self.batch_size} is not a multiple of {self.process_count} processes")
        if not 0 <= self.process_index < self.process_count:
            raise ValueError(f"process_index: {self.process_index} is not one of {self.process_count} processes")
        if self.start_step < 0:
            raise ValueError(f"start_step: {self.start_step} is negative")
        if not 0 < self.share <= 1:
            raise ValueError(f"share: {self.share} is not in (0, 1]; 1 uses every clip of the split")
        if self.corrupt not in ("stop", "skip"):
            raise ValueError(f"corrupt: {self.corrupt!r} is neither 'stop' nor 'skip'")


def tokenizer(
    data: str | Sequence[dict[str, Any]], split: str, batch_size: int, seed: int = 0, *, length: int = 64, **order: Any
) -> Iterator[Batch]:
    """{"poses": (B, T, 60, 3)}, T = `length`. See `_iterate` for `data`, `order` and errors."""
    return _iterate(data, split, transforms.PoseWindow(length), Order(batch_size, seed, **order))


def motion(
    data: str | Sequence[dict[str, Any]],
    split: str,
    batch_size: int,
    seed: int = 0,
    *,
    music: str = DEFAULT_MUSIC,
    previous: int = 64,
    length: int = 64,
    num_context: int = 8,
    song_bins: int = 64,
    static_context_rate: float = 0.2,
    margin: int = 0,
    tokens: tuple[int, ...] = (),
    made: Mapping[str, str] | None = None,
    replay: str | Sequence[dict[str, Any]] | None = None,
    replay_rate: float = 0.0,
    replay_static_context_rate: float | None = None,
    **order: Any,
) -> Iterator[Batch]:
    """{"poses": (B, A+P+T+A, 60, 3), "music": (B, P+T, M), "context_index": (B, C) int32, "song": (B, G, M)}.

    P = `previous`, T = `length`, C = `num_context`, G = `song_bins`, A = `margin`; music is normalised, and M the width
    of the feature set `music`, which the data set must have been prepared with. Evaluation passes
    static_context_rate=0. See `transforms.MotionWindow`; `_iterate` for `data`, `made`, `order` and errors.

    For fine-tuning, an example comes with probability `replay_rate` from the same split of the data set `replay`, all
    of its clips, whatever `share` is; `replay_static_context_rate` holds for these examples (None: the same as for the
    others). So a model that learns a few clips still sees what it began with, most of all how to start from any pose.
    """
    if not 0 <= replay_rate < 1:
        raise ValueError(f"replay_rate: {replay_rate} is not in [0, 1)")
    if replay_rate and not replay:
        raise ValueError(f"replay_rate: {replay_rate} needs a data set; name it in replay, or set the rate to 0")
    features = _features(data, music)
    window = transforms.MotionWindow(
        features, previous, length, num_context, song_bins, static_context_rate, margin, tokens
    )
    replayed = None
    if replay_rate:
        feature_sets.refuse_other(features, _features(replay, music), replay if isinstance(replay, str) else "replay")
        rate = static_context_rate if replay_static_context_rate is None else replay_static_context_rate
        replayed = _Replayed(replay, replay_rate, dataclasses.replace(window, static_context_rate=rate))
    return _iterate(data, split, window, Order(batch_size, seed, **order), replayed, made)


def video(
    data: str | Sequence[dict[str, Any]],
    split: str,
    batch_size: int,
    seed: int = 0,
    *,
    num_frames: int,
    height: int,
    width: int,
    fields: tuple[str, ...] = ("reference", "frames"),
    margin: int = 0,
    reference_gap: int = 30,
    latent: tuple[int, ...] = (),
    token: tuple[int, ...] = (),
    embedding: int = 0,
    made: Mapping[str, str] | None = None,
    **order: Any,
) -> Iterator[Batch]:
    """What `fields` names of {"reference": (B, H, W, 3) uint8, "frames": (B, F, H, W, 3) uint8, "poses": (B, F, 60, 3),
    "pose_window": (B, A+F+A, 60, 3), "pose_images": (B, F, H, W, 3) uint8}, F = `num_frames`: 1 for the appearance
    phase, 16 consecutive ones for the motion phase; A = `margin`. The reference lies at least `reference_gap` frames
    from them. See `transforms.VideoWindow`, also for more fields; `_iterate` for `data`, `made`, `order`, errors."""
    window = transforms.VideoWindow(
        num_frames, height, width, fields, margin, reference_gap, latent, token, embedding
    )
    whole = Order(batch_size, seed, **order)
    augment = dataclasses.replace(whole.augment, aspect=width / height)
    return _iterate(data, split, window, dataclasses.replace(whole, augment=augment), made=made)


def frames(
    data: str | Sequence[dict[str, Any]], split: str, batch_size: int, seed: int = 0, *, height: int, width: int,
    **order: Any,
) -> Iterator[Batch]:
    """{"frames": (B, H, W, 3) uint8}: random crops, for the autoencoder. See `_iterate` for the rest and errors."""
    window = transforms.RandomCrop(height, width)
    return _iterate(data, split, window, Order(batch_size, seed, **order))


def clips(
    data: str | Sequence[dict[str, Any]], split: str, batch_size: int, seed: int, step: int, *, share: float = 1.0,
    replay: str | Sequence[dict[str, Any]] | None = None, replay_rate: float = 0.0,
) -> list[str]:
    """Names of the clips that the shuffled batch of `step` (from 0) is cut from, in its order; of a loader with these
    arguments."""
    order = Order(batch_size, seed, share=share)
    entries = _epochs(data, split, (), order)
    if replay_rate:
        others = _epochs(replay, split, (), dataclasses.replace(order, share=1.0))
        entries = sources.Replay(entries, others, seed, replay_rate)
    found = (entries[index] for index in range(step * batch_size, (step + 1) * batch_size))
    return [(entry[0] if replay_rate else entry).id for entry in found]


def _features(data: str | Sequence[dict[str, Any]], name: str) -> FeatureSet:
    """The feature set of the data set, which must be `name`; of records in memory the one that is computed here."""
    if not isinstance(data, str):
        return feature_music.find(name)
    found = sources.features(data)
    if found is None:
        raise ValueError(f"{data}: the data set has no music, which this loader needs; prepare one that has")
    if found.name != name:
        raise ValueError(
            f"{data}: its music features are {found.name}, and the config's {name}; give another data set, or "
            f"--config.data.music={found.name}"
        )
    return found


@dataclasses.dataclass(frozen=True)
class _Replayed:
    """A second data set, how often an example comes from it, and what cuts these."""

    data: str | Sequence[dict[str, Any]]
    rate: float
    window: Window


def _iterate(
    data: str | Sequence[dict[str, Any]],
    split: str,
    window: Window,
    order: Order,
    replayed: _Replayed | None = None,
    made: Mapping[str, str] | None = None,
) -> Iterator[Batch]:
    """The Grain pipeline. `data` is a data set folder (`sources.from_directory`) or records in memory, where `split`
    is not looked at. `order` takes the fields of `Order`: evaluation may pass shuffle=False, num_epochs=1 and gets a
    last batch that may be smaller. `made`: see `sources.StoredClips`; of a folder alone.

    Raises:
        FileNotFoundError, ValueError: no such data set or split, no records, a clip shorter than the window.
    """
    import grain

    entries = _epochs(data, split, window.reads, order, made)
    _check_size(entries, order)
    skip = order.corrupt == "skip"
    cut = Examples(window, entries, order.augment, skip)
    if replayed is not None:
        others = _epochs(replayed.data, split, window.reads, dataclasses.replace(order, share=1.0, num_epochs=None))
        entries = sources.Replay(entries, others, order.seed, replayed.rate)
        cut = examples.Mixed(cut, Examples(replayed.window, others, order.augment, skip))
    rows = order.batch_size // order.process_count
    dataset = grain.MapDataset.source(entries).random_map(cut, seed=order.seed).batch(rows)
    dataset = dataset[order.start_step * order.process_count + order.process_index :: order.process_count]
    options = grain.ReadOptions(num_threads=order.num_threads, prefetch_buffer_size=2 * max(1, order.num_threads))
    batches = dataset.to_iter_dataset(options)
    if order.worker_count:
        options = grain.MultiprocessingOptions(num_workers=order.worker_count)
        found = _by_workers(batches.mp_prefetch(options, worker_init_fn=workers.follow_parent))
    else:
        found = iter(batches)
    return examples.told(found) if skip else found


def _by_workers(dataset: Any) -> Iterator[Batch]:
    """Batches of processes, which start with the first one and end with the iterator."""
    with workers.starting():
        batches = iter(dataset)
        first = next(batches, None)
    try:
        if first is not None:
            yield first
            yield from batches
    finally:
        batches.close()


def _epochs(
    data: str | Sequence[dict[str, Any]], split: str, fields: tuple[str, ...], order: Order,
    made: Mapping[str, str] | None = None,
) -> sources.Epochs:
    if isinstance(data, str):
        source = sources.from_directory(data, split, fields, made=made)
    else:
        source = sources.from_arrays(data, fields)
    if len(source) == 0:
        raise ValueError("data: no records to load")
    return sources.Epochs(source, order.seed, order.shuffle, order.num_epochs, order.share)


def _check_size(epochs: sources.Epochs, order: Order) -> None:
    examples = epochs.records * (order.num_epochs or 0)
    if examples % order.batch_size and order.process_count > 1:
        raise ValueError(
            f"num_epochs: {examples} examples do not fill batches of {order.batch_size} on {order.process_count} "
            "processes; choose a batch_size that divides them"
        )


_WINDOWS = {
    "tokenizer": transforms.PoseWindow,
    "motion": transforms.MotionWindow,
    "video": transforms.VideoWindow,
    "frames": transforms.RandomCrop,
}


def element_spec(loader: str, batch_size: int, **window: Any) -> transforms.Spec:
    """Field -> (shape, dtype) of the batches of a loader, without any data: to compile before the first batch.

    `loader` is its name here, `window` what it takes for its examples: element_spec("tokenizer", 8, length=64).
    """
    if loader not in _WINDOWS:
        raise ValueError(f"loader: {loader!r} is not one of {', '.join(_WINDOWS)}")
    if loader == "motion":
        window["features"] = FeatureSet(window.pop("music", DEFAULT_MUSIC))
    return {name: ((batch_size, *shape), dtype) for name, (shape, dtype) in _WINDOWS[loader](**window).spec().items()}
