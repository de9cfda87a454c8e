"""When frames are shown: seconds from a clip's first frame, strictly increasing.

Containers round times, Matroska to a millisecond; two times that differ by no more than SAME are one.
"""

from fractions import Fraction
from typing import Final

import numpy as np

SAME: Final = 1e-3  # seconds
_RESTART: Final = 1.0  # seconds by which a clock must go back to have been set anew; less is disorder
_LONGEST: Final = 4 * 3600  # seconds of a clip; resampled to 30 fps such a clip takes 311 MB
_SPARSEST: Final = 1.0  # frames a second on average below which pictures are no dance
_COMMON: Final = (1, Fraction(1000, 1001))  # whole rates, and those of NTSC


def at_rate(fps: float, frames: int) -> np.ndarray:
    """(F,) float64 seconds of `frames` frames at a constant rate."""
    return np.arange(frames) / fps


def constant_fps(times: np.ndarray) -> float | None:
    """The rate of which all `times` (F,) are multiples within SAME, a common one if one fits; None if they vary, or
    for a single frame."""
    if len(times) < 2:
        return None
    mean = (len(times) - 1) / times[-1]
    for rate in (*(float(round(mean / unit) * unit) for unit in _COMMON), mean):
        if rate > 0 and np.abs(times - at_rate(rate, len(times))).max() <= SAME:
            return rate
    return None


def checked(times: np.ndarray) -> np.ndarray:
    """(F,) float64 from 0. Raises ValueError for times that do not increase, and for those of no dance: hours long, or
    with less than one frame a second."""
    times = np.asarray(times, np.float64)
    if times.ndim != 1 or len(times) == 0 or not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise ValueError("times must be (F,) seconds, each after the one before")
    times = times - times[0]
    if times[-1] > _LONGEST:
        raise ValueError(f"the clip lasts {times[-1]:.0f} s by its times or its rate; cut it below {_LONGEST} s")
    if len(times) > 1 and (len(times) - 1) / times[-1] < _SPARSEST:
        raise ValueError(
            f"{len(times)} frames in {times[-1]:.1f} s, by its times or its rate: less than {_SPARSEST:g} a second are "
            "no dance; check the rate"
        )
    return times


class Clock:
    """Presentation times of a video's frames, given one after the other, as seconds from the first frame's.

    A frame without a time comes one spacing after the one before. One that does not come after the one before is put
    SAME after it, so that those that follow keep their times; where the clock goes back by more than a second it was
    set anew, and all that follows is moved to go on one spacing later.
    """

    def __init__(self, spacing: float):
        """spacing: seconds between frames by the stated rate, until two frames were seen."""
        self.spacing = spacing
        self.last: float | None = None
        self._start: float | None = None

    def __call__(self, stated: float | None) -> float:
        """Seconds of the next frame, `stated` as the file says."""
        if self.last is None:
            self._start, self.last = stated, 0.0
            return 0.0
        if stated is not None and self._start is None:  # the first time seen: it goes on from the frames without one
            self._start = stated - (self.last + self.spacing)
        time = self.last + self.spacing if stated is None else stated - self._start
        if time < self.last - _RESTART:
            self._start -= self.last + self.spacing - time
            time = self.last + self.spacing
        if time <= self.last:
            time = self.last + SAME
        else:
            self.spacing = time - self.last
        self.last = time
        return time


__all__ = ["SAME", "Clock", "at_rate", "checked", "constant_fps"]
