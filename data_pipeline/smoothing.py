"""Poses smoothed over time, for who asks for it: One-Euro and Savitzky-Golay, both at the times of the frames.

A joint counts by its confidence, which itself stays as it is; one that was not seen (confidence 0, or no place) counts
for nothing and keeps its place.
"""

from typing import Final

import numpy as np

from data_pipeline.pose_formats import Clip

NAMES: Final = ("none", "one_euro", "savitzky_golay")
# Both bring toy dances at 30 fps nearer to the truth, to which jitter of 0.2, 0.4 and 0.8% of the frame's height was
# added: to 0.16, 0.26 and 0.48% by Savitzky-Golay, 0.19, 0.32 and 0.59% by One-Euro. MediaPipe's is about 0.2%.
_MIN_CUTOFF, _BETA = 8.0, 10.0  # Hz; Hz by a frame's height a second
_WINDOW, _POLYORDER = 7, 2
_SPEED_CUTOFF: Final = 1.0  # Hz, of the speed that One-Euro goes by; its authors' value
_FAINT: Final = 1e-3  # of a window's surest joint: what has less confidence counts for nothing


def smooth(clip: Clip, name: str) -> Clip:
    """The clip with its poses smoothed by one of NAMES; the clip itself for "none". Raises ValueError for others.

    One-Euro lags behind a motion as long as it does not know what follows. A clip is there as a whole, so it is run
    forwards and backwards, and the mean of both has no lag. Forwards alone it is farther from the truth than jitter is.
    """
    if name == "none":
        return clip
    if name == "savitzky_golay":
        return clip._replace(poses=savitzky_golay(clip.poses, clip.times, _WINDOW, _POLYORDER))
    if name != "one_euro":
        raise ValueError(f"smoothing: {name!r} is not known; choose one of {', '.join(NAMES)}")
    beta = _BETA / clip.height
    forwards = one_euro(clip.poses, clip.times, _MIN_CUTOFF, beta)
    backwards = one_euro(clip.poses[::-1], clip.times[-1] - clip.times[::-1], _MIN_CUTOFF, beta)[::-1]
    return clip._replace(poses=(forwards + backwards) / 2)


def one_euro(poses: np.ndarray, times: np.ndarray, min_cutoff: float, beta: float) -> np.ndarray:
    """The filter of Casiez et al. (CHI 2012) over x and y of each joint: a low-pass of alpha = 1 / (1 + tau / step),
    tau = 1 / (2 pi cutoff), whose cutoff rises with the speed. Confidence is a factor of alpha.

    Args:
        poses: (F, J, 3) of x, y and confidence.
        times: (F,) seconds, increasing; a step is the time since the joint was last seen.
        min_cutoff: Hz, of a joint at rest.
        beta: Hz that the cutoff rises by for a unit of x a second.

    Returns:
        (F, J, 3) float32.

    Raises:
        ValueError: times that are not those of the poses, or parameters out of range.
    """
    _check(poses, times)
    if not (min_cutoff > 0 and beta >= 0):
        raise ValueError(f"one_euro: min_cutoff={min_cutoff:g} and beta={beta:g}; must be above 0 and at least 0")
    weights, xy = _seen(poses)
    smoothed = poses.astype(np.float64)
    before, speed = np.zeros_like(xy[0]), np.zeros_like(xy[0])
    last = np.full(xy.shape[1], -np.inf)  # when each joint was last seen
    for time, weight, place, row in zip(times, weights, xy, smoothed, strict=True):
        seen, step = weight > 0, (time - last)[:, None]
        change = (place - before) / step - speed
        speed = np.where(seen[:, None], speed + _alpha(_SPEED_CUTOFF, step) * weight[:, None] * change, speed)
        alpha = np.where(np.isinf(step), 1.0, _alpha(min_cutoff + beta * np.abs(speed), step) * weight[:, None])
        before = np.where(seen[:, None], before + alpha * (place - before), before)
        last = np.where(seen, time, last)
        row[seen, :2] = before[seen]
    return smoothed.astype(np.float32)


def _alpha(cutoff: np.ndarray | float, step: np.ndarray) -> np.ndarray:
    return 1 / (1 + 1 / (2 * np.pi * cutoff * step))


def savitzky_golay(poses: np.ndarray, times: np.ndarray, window: int, polyorder: int) -> np.ndarray:
    """Of each joint the value of the polynomial that fits x and y best over the `window` frames around it, squares
    weighted by confidence. At a clip's ends the window is the first or last one that is whole.

    With equal confidences and equal steps it is scipy.signal.savgol_filter, mode "interp". A joint of which a window
    shows no more frames than `polyorder` keeps its place.

    Args:
        poses: (F, J, 3) of x, y and confidence.
        times: (F,) seconds, increasing.
        window: frames, odd; a shorter clip is one window.

    Returns:
        (F, J, 3) float32.

    Raises:
        ValueError: times that are not those of the poses, a window that is even or not above `polyorder`.
    """
    _check(poses, times)
    if window % 2 == 0 or not 0 <= polyorder < window:
        raise ValueError(f"savitzky_golay: window={window} must be odd, and above polyorder={polyorder} of 0 or more")
    frames, width = len(poses), min(window, len(poses))
    rows = np.clip(np.arange(frames) - width // 2, 0, frames - width)[:, None] + np.arange(width)
    ahead = times[rows] - times[:, None]
    scale = np.maximum(np.abs(ahead).max(axis=1, keepdims=True), 1e-9)
    powers = (ahead / scale)[..., None] ** np.arange(polyorder + 1)
    weights, xy = _seen(poses)
    smoothed = poses.astype(np.float64)
    for joint in range(poses.shape[1]):
        weight = weights[rows, joint]
        weight = np.where(weight > _FAINT * weight.max(axis=1, keepdims=True), weight, 0)
        known = (np.count_nonzero(weight, axis=1) > polyorder) & (weights[:, joint] > 0)
        weighted = (powers * weight[..., None])[known].swapaxes(1, 2)
        fitted = np.linalg.solve(weighted @ powers[known], weighted @ xy[rows[known], joint])
        smoothed[known, joint, :2] = fitted[:, 0]
    return smoothed.astype(np.float32)


def _seen(poses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Confidences (F, J), 0 where there is no place, and places (F, J, 2) float64, 0 there."""
    there = np.isfinite(poses).all(axis=-1)
    return np.where(there, poses[..., 2], 0).astype(np.float64), np.where(there[..., None], poses[..., :2], 0.0)


def _check(poses: np.ndarray, times: np.ndarray) -> None:
    if len(poses) == 0 or len(times) != len(poses) or not (np.diff(times) > 0).all():
        raise ValueError(f"times: {len(times)} of {len(poses)} poses; give each one, and let them increase")


__all__ = ["NAMES", "one_euro", "savitzky_golay", "smooth"]
