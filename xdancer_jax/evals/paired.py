"""Figures of made frames beside their true ones, frame by frame and video by video."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from xdancer_jax.evals.bootstrap import Bootstrap
from xdancer_jax.evals.clips import LeftOut, UnreadableVideo, Video, check_alike, chunks
from xdancer_jax.evals.protocols import MetricProtocol, Result, record

Measure = Callable[[np.ndarray, np.ndarray], np.ndarray]


def paired_report(
    protocol: MetricProtocol, real: Sequence[Video], made: Sequence[Video], measure: Measure, chunk: int = 8
) -> Result:
    """"score", the mean over frames, with a bootstrap interval ("low", "high") over videos' means; counts of videos
    and frames and of what was left out.

    `measure`: true and made frames (n, H, W, 3), uint8, n <= chunk -> a figure for each frame (n,).

    Raises ValueError where two sides do not pair (another name, length, frame rate or size), for a figure that is not
    a number, naming the frame, and where no video is left.
    """
    check_alike(real, made, paired=True)
    left_out, figures = LeftOut(), []
    for one, other in zip(real, made, strict=True):
        try:
            found = _of_video(one, other, measure, chunk)
        except UnreadableVideo as error:
            left_out.broken(one, error)
            continue
        broken = np.flatnonzero(~np.isfinite(found))
        if len(broken):
            raise ValueError(f"{protocol.id}: {one.name}, frame {broken[0]}: the figure is {found[broken[0]]}")
        figures.append(found)
    if not figures:
        raise ValueError(f"{protocol.id}: no pair of {len(real)} videos; " + " ".join(left_out.notes("pairs")))
    interval = Bootstrap()(np.asarray([found.mean() for found in figures], np.float64))
    values = {"score": float(np.concatenate(figures).mean()), "low": interval.low, "high": interval.high}
    counts = {"videos": len(figures), "frames": sum(map(len, figures)), **left_out.counts("pairs")}
    source = {"fps": real[0].fps, "height": real[0].shape[1], "width": real[0].shape[2]}
    return dataclasses.replace(record(protocol, values, counts, left_out.notes("pairs")), source=source)


def _of_video(one: Video, other: Video, measure: Measure, chunk: int) -> np.ndarray:
    found = [np.asarray(measure(*both), np.float64) for both in chunks(one, other, chunk)]
    if not found:
        raise UnreadableVideo("no frame")
    return np.concatenate(found)


def each(metric: Callable[[np.ndarray, np.ndarray], float]) -> Measure:
    """A measure of a figure of one frame."""
    return lambda real, made: np.asarray([metric(*both) for both in zip(real, made, strict=True)])


__all__ = ["Measure", "each", "paired_report"]
