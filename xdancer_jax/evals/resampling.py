"""Motions at another frame rate, for protocols whose source runs at one of its own."""

import numpy as np
from scipy.interpolate import CubicSpline

from xdancer_jax.typing import Float, typechecked


@typechecked
def resample(
    poses: Float[np.ndarray, "F J C"], fps: float, rate: float, min_confidence: float
) -> Float[np.ndarray, "G J C"]:
    """Poses (F, J, C), confidence last, at the times k / rate up to the last frame's, on a cubic spline through all.

    A spline and not straight lines: under these every pair of new frames has one speed, and a strict minimum of the
    speed, which is what a motion beat is, is never found. Gaps of unseen joints are bridged by straight lines first;
    the lower confidence of the two neighbours says that they are. The same array where fps is the rate already.
    """
    if fps == rate or len(poses) < 2:
        return poses
    times = np.arange(len(poses)) / fps
    wanted = np.arange(int((len(poses) - 1) / fps * rate + 1e-6) + 1) / rate
    places = bridge(poses, min_confidence)
    low = np.clip(np.floor(wanted * fps + 1e-9).astype(int), 0, len(poses) - 1)
    high = np.clip(np.ceil(wanted * fps - 1e-9).astype(int), 0, len(poses) - 1)
    confidence = np.minimum(poses[low, :, -1:], poses[high, :, -1:])
    return np.concatenate([CubicSpline(times, places)(wanted), confidence], axis=-1)


def bridge(poses: np.ndarray, min_confidence: float) -> np.ndarray:
    """Places (F, J, C - 1) float64, unseen ones on a line between their neighbours; those of a joint never seen: 0."""
    places, seen = poses[..., :-1].astype(np.float64), poses[..., -1] > min_confidence
    frames = np.arange(len(poses))
    for joint in np.flatnonzero(~seen.all(axis=0)):
        there = np.flatnonzero(seen[:, joint])
        for axis in range(places.shape[-1]):
            column = places[:, joint, axis]
            places[:, joint, axis] = np.interp(frames, there, column[there]) if len(there) else 0.0
    return places


__all__ = ["bridge", "resample"]
