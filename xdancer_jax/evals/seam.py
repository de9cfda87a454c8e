"""Seams: do frames jump where one sampled window ends and the next one takes over?

A step is the mean absolute difference of two neighbouring frames. A seam's figure is the step to a frame where a
window begins or has just ended over the mean of the steps near it: 1 where nothing shows. Computed in one pass; two
frames are held.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from xdancer_jax.evals.bootstrap import Bootstrap
from xdancer_jax.evals.clips import LeftOut, UnreadableVideo, Video, frames_of
from xdancer_jax.evals.protocols import Result, record
from xdancer_jax.typing import Float, typechecked


@dataclasses.dataclass(frozen=True)
class Seam:
    """One protocol.

    Attributes:
      id: its name.
      length: frames of a window.
      overlap: frames that a window shares with the one before.
      near: steps on either side that a seam is held against, other seams left out.
    """

    id: str = "seam_step_ratio"
    length: int = 16
    overlap: int = 4
    near: int = 4

    def seams(self, frames: int) -> list[int]:
        """Frames of which other windows are the source than of the frame before: where one begins or has ended. The
        last window is moved back to end at the last frame, as in xdancer_jax/diffusion/windows.py."""
        if frames <= self.length:
            return []
        stride = self.length - self.overlap
        starts = [min(start, frames - self.length) for start in range(0, frames - self.length + stride, stride)]
        return sorted({*starts[1:], *(start + self.length for start in starts[:-1])})

    @typechecked
    def ratios(self, steps: Float[np.ndarray, " T"]) -> Float[np.ndarray, " seams"]:
        """Figure of every seam of T + 1 frames. A seam among steps of 0 has 1 where its own is 0 as well, and infinity
        elsewhere."""
        places = [seam - 1 for seam in self.seams(len(steps) + 1)]  # steps[t] leads to frame t + 1
        found = []
        for place in places:
            around = [i for i in range(max(0, place - self.near), min(len(steps), place + self.near + 1))
                      if i not in places]
            base = float(np.mean(steps[around])) if around else float("nan")
            with np.errstate(divide="ignore"):
                found.append(1.0 if base == steps[place] == 0 else float(np.float64(steps[place]) / base))
        return np.asarray(found, np.float64)

    def __call__(self, video: Video) -> np.ndarray:
        """Figures of a video's seams. Raises UnreadableVideo for one that cannot be read."""
        steps, last = [], None
        for frame in frames_of(video):
            now = frame.astype(np.float32) / 255
            if last is not None:
                steps.append(float(np.abs(now - last).mean(dtype=np.float64)))
            last = now
        return self.ratios(np.asarray(steps, np.float64))

    def report(self, made: Sequence[Video]) -> Result:
        """"score", the mean over seams, its interval over videos ("low", "high") and "worst"; counts of videos, seams
        and what was left out. Raises ValueError where no seam is left, or one stands in a still."""
        left_out, found = LeftOut(), []
        for video in made:
            if not self.seams(video.shape[0]):
                left_out.short.append(f"{video.name} ({video.shape[0]} frames, one window)")
                continue
            try:
                ratios = self(video)
            except UnreadableVideo as error:
                left_out.broken(video, error)
                continue
            broken = np.flatnonzero(~np.isfinite(ratios))
            if len(broken):
                raise ValueError(f"{self.id}: {video.name}: seam {broken[0]} is {ratios[broken[0]]}: all steps near it "
                                 "are 0")
            found.append(ratios)
        if not found:
            raise ValueError(f"{self.id}: no seam; " + " ".join(left_out.notes("made")))
        interval = Bootstrap()(np.asarray([ratios.mean() for ratios in found], np.float64))
        every = np.concatenate(found)
        values = {"score": float(every.mean()), "low": interval.low, "high": interval.high, "worst": float(every.max())}
        counts = {"videos": len(found), "seams": len(every), **left_out.counts("made")}
        return record(self, values, counts, left_out.notes("made"))


__all__ = ["Seam"]
