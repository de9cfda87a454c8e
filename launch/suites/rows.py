"""What stands beside a figure of videos: the same figure of the truth, of another clip, and of the photo held."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from xdancer_jax.evals.clips import Video
from xdancer_jax.evals.protocols import Result

_NAN = float("nan")


def held(real: Sequence[Video], photos: Sequence[Callable[[], np.ndarray]]) -> list[Video]:
    """Each clip's photo in all frames: the baseline without motion."""
    return [
        dataclasses.replace(video, read=lambda photo=photo, count=video.shape[0]: _repeated(photo(), count))
        for video, photo in zip(real, photos, strict=True)
    ]


def _repeated(photo: np.ndarray, count: int):
    for _ in range(count):
        yield photo


def others(made: Sequence[Video]) -> tuple[list[int], list[Video]]:
    """Chance: in each clip's place the next one's video, of those that have its length; and whose places."""
    found = [
        (i, dataclasses.replace(made[(i + 1) % len(made)], name=made[i].name)) for i in range(len(made))
        if len(made) > 1 and made[(i + 1) % len(made)].shape == made[i].shape
    ]
    return [i for i, _ in found], [video for _, video in found]


def shuffled(real: Sequence[Video], seed: int = 0) -> list[Video]:
    """Chance where a set has no pairs to shuffle: each video with its frames in random order."""
    return [dataclasses.replace(v, read=lambda i=i, v=v: _in_disorder(v, (seed, i))) for i, v in enumerate(real)]


def _in_disorder(video: Video, seed: tuple[int, int]):
    frames = list(video.read())
    yield from (frames[i] for i in np.random.default_rng(seed).permutation(len(frames)))


def beside(result: Result, rows: Mapping[str, Callable[[], Result]], value: str) -> Result:
    """`result` with the figure `value` of each row; NaN for a row that cannot be had (too few clips), with a note."""
    values, notes = dict(result.values), list(result.notes)
    for name, measure in rows.items():
        try:
            values[name] = measure().values[value]
        except ValueError as error:
            values[name] = _NAN
            notes.append(f"{result.protocol}: no row {name}: {str(error).splitlines()[0]}")
    return dataclasses.replace(result, values=values, notes=tuple(notes))


def paired(report: Callable[[Sequence[Video], Sequence[Video]], Result], real, made, photos) -> Result:
    """With the rows "repeat_photo" and "chance". The truth beside itself is no row: it has no error."""
    places, other = others(made)
    return beside(report(real, made), {
        "repeat_photo": lambda: report(real, held(real, photos)),
        "chance": lambda: report([real[i] for i in places], other),
    }, "score")


def distance(protocol: Callable[[Sequence[Video], Sequence[Video]], Result], real, made, photos) -> Result:
    """With the rows "ground_truth", the distance of one half of the real videos from the other, "chance", theirs from
    themselves with their frames in random order, and "repeat_photo"."""
    half = len(real) // 2
    return beside(protocol(real, made), {
        "ground_truth": lambda: protocol(real[:half], real[half:]),
        "chance": lambda: protocol(real, shuffled(real)),
        "repeat_photo": lambda: protocol(real, held(real, photos)),
    }, "distance")


__all__ = ["beside", "distance", "held", "others", "paired", "shuffled"]
