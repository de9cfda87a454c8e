"""Flicker: how much do a video's pixels jump back and forth from frame to frame?

Two forms over intensities in [0, 1]. A plain difference of neighbouring frames grows with all motion; the second
difference |x_{t-1} - 2 x_t + x_{t+1}| / 2 is 0 for whatever changes steadily, and 1 for black and white in turn.
Computed in one pass; three frames are held.
"""

import collections
import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np

from xdancer_jax.evals.bootstrap import Bootstrap
from xdancer_jax.evals.clips import LeftOut, UnreadableVideo, Video, check_alike, frames_of
from xdancer_jax.evals.protocols import Result, record


@dataclasses.dataclass(frozen=True)
class Flicker:
    """One protocol.

    Attributes:
      id: its name.
      difference: "second" (ours) or "first", as VBench's temporal flickering, which is 1 minus this figure and is
        meant for videos of still scenes.
    """

    id: str = "flicker_second_difference"
    difference: Literal["second", "first"] = "second"

    def __call__(self, video: Video) -> float:
        """Mean over pixels and frames. Raises UnreadableVideo for one that is too short or cannot be read."""
        size = 3 if self.difference == "second" else 2
        held: collections.deque[np.ndarray] = collections.deque(maxlen=size)
        total, count = 0.0, 0
        for frame in frames_of(video):
            held.append(frame.astype(np.float32) / 255)
            if len(held) == size:
                step = (held[0] + held[2]) / 2 - held[1] if size == 3 else held[1] - held[0]
                total, count = total + float(np.abs(step).mean(dtype=np.float64)), count + 1
        if not count:
            raise UnreadableVideo(f"{video.shape[0]} frames, {size} needed")
        return total / count

    def report(self, real: Sequence[Video], made: Sequence[Video]) -> Result:
        """"score" of made videos, its interval over videos ("low", "high"), "truth" of real ones and "ratio" of the
        two (NaN where real ones do not change); counts of videos and of what was left out.

        Raises ValueError for other frame rates or sizes, and for a side of which nothing is left.
        """
        check_alike(real, made, paired=False)
        found, counts, notes = {}, {}, []
        for side, videos in (("made", made), ("real", real)):
            left_out = LeftOut()
            found[side] = self._side(videos, left_out, side)
            counts |= {side: len(found[side]), **left_out.counts(side)}
            notes += left_out.notes(side)
        interval = Bootstrap()(found["made"])
        score, truth = float(found["made"].mean()), float(found["real"].mean())
        values = {"score": score, "low": interval.low, "high": interval.high, "truth": truth,
                  "ratio": score / truth if truth else float("nan")}
        return record(self, values, counts, notes)

    def _side(self, videos: Sequence[Video], left_out: LeftOut, side: str) -> np.ndarray:
        found = []
        for video in videos:
            try:
                found.append(self(video))
            except UnreadableVideo as error:
                left_out.broken(video, error)
        if not found:
            raise ValueError(f"{self.id}: no video; " + " ".join(left_out.notes(side)))
        return np.asarray(found, np.float64)


def vbench() -> Flicker:
    """1 - VBench's temporal flickering."""
    return Flicker("flicker_first_difference", "first")


__all__ = ["Flicker", "vbench"]
