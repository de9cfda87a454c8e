"""Features of clips: what a Frechet distance between videos is computed over."""

import collections
import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from xdancer_jax.evals.clips import Clip, Cut, LeftOut, UnreadableVideo, Video, clips
from xdancer_jax.typing import Float, typechecked


@dataclasses.dataclass(frozen=True)
class Embedder:
    """A network with its weights.

    Attributes:
      weights: which file, with its digest; "random" for a trial run. Stands in every result.
      run: prepared clips (B, F, H, W, 3) -> features (B, C).
    """

    weights: str
    run: Callable[[np.ndarray], np.ndarray]


def remembering(network: Embedder) -> Embedder:
    """The same, that looks at a clip once: rows of a report look at the true videos again and again. Its features, a
    few kilobytes a clip, stay in memory; clips are known by their pixels."""
    known: dict[bytes, np.ndarray] = {}

    def run(clips: np.ndarray) -> np.ndarray:
        keys = [hashlib.blake2b(np.ascontiguousarray(clip).data, digest_size=16).digest() for clip in clips]
        if not known.keys() >= set(keys):
            known.update(zip(keys, np.asarray(network.run(clips)), strict=True))  # all of them: one compiled shape
        return np.stack([known[key] for key in keys])

    return dataclasses.replace(network, run=run)


class Embedded(NamedTuple):
    """Features (N, C), the video that each row is of, and what was left out."""

    rows: np.ndarray
    videos: list[str]
    left_out: LeftOut


def embedded(
    videos: Sequence[Video], cut: Cut, prepare: Callable[[np.ndarray], np.ndarray], network: Embedder, batch: int,
    side: str,
) -> Embedded:
    """Features of the clips that `cut` finds, `batch` of them at a time, whichever videos they are of; a clip that it
    finds several times, going round the videos, is looked at once.

    Raises ValueError for features that are not finite, naming the clips, and where no clip is left, naming why.
    """
    left_out = LeftOut()
    rows: list[np.ndarray] = []
    sources: list[Clip] = []
    for group in _groups(_readable(videos, cut, left_out), batch):
        pixels = np.stack([prepare(clip.frames) for clip in group])
        if len(group) < batch:  # the same shape every time, so that nothing is compiled anew
            pixels = np.concatenate([pixels, np.zeros((batch - len(group), *pixels.shape[1:]), pixels.dtype)])
        rows.append(np.asarray(network.run(pixels))[: len(group)])
        sources += [clip._replace(frames=np.empty(0)) for clip in group]
    times = collections.Counter(
        (video.name, start) for video, starts in zip(videos, cut.starts(videos), strict=True) for start in starts
    )
    kept = [
        i for i, clip in enumerate(sources) if clip.video not in left_out.names
        for _ in range(times[clip.video, clip.start])
    ]
    if not kept:
        raise ValueError(f"{side}: no clip of {len(videos)} videos; " + " ".join(left_out.notes(side)))
    return Embedded(_finite(np.concatenate(rows)[kept], [sources[i] for i in kept], side),
                    [sources[i].video for i in kept], left_out)


def _readable(videos: Sequence[Video], cut: Cut, left_out: LeftOut) -> Iterator[Clip]:
    shortest = 1 if cut.where == "segments" else cut.length
    for video, starts in zip(videos, cut.starts(videos), strict=True):
        if video.shape[0] < shortest:
            left_out.short.append(f"{video.name} ({video.shape[0]} frames, {cut.length} needed)")
        elif starts:
            try:
                yield from clips(video, sorted(set(starts)), cut)
            except UnreadableVideo as error:
                left_out.broken(video, error)


def _groups(found: Iterator[Clip], batch: int) -> Iterator[list[Clip]]:
    group: list[Clip] = []
    for clip in found:
        group.append(clip)
        if len(group) == batch:
            yield group
            group = []
    if group:
        yield group


@typechecked
def _finite(rows: Float[np.ndarray, "N C"], sources: list[Clip], side: str) -> Float[np.ndarray, "N C"]:
    broken = [f"{sources[i].video} from frame {sources[i].start}" for i in np.flatnonzero(~np.isfinite(rows).all(1))]
    if broken:
        shown = ", ".join(broken[:5]) + (", ..." if len(broken) > 5 else "")
        raise ValueError(f"{side}: features of {len(broken)} of {len(rows)} clips are not finite ({shown})")
    return rows


def mean_by_video(found: Embedded) -> np.ndarray:
    """One row a video, in the order of the videos: the mean of its clips' features."""
    places: dict[str, list[int]] = {}
    for i, video in enumerate(found.videos):
        places.setdefault(video, []).append(i)
    return np.stack([found.rows[rows].mean(axis=0) for rows in places.values()])


__all__ = ["Embedded", "Embedder", "embedded", "mean_by_video", "remembering"]
