"""Do the movements stop on the beat? Beat alignment scores as named protocols (docs/metrics.md).

A motion beat is a local minimum of the body's speed. Each beat of one kind is scored by its distance d to the nearest
beat of the other kind, exp(-d^2 / (2 sigma^2)), and the scores are averaged. All constants are times.

Sources: Li et al. 2021 (AIST++; mint, tools/calculate_beat_scores.py), Siyao et al. 2022 (Bailando,
utils/beat_align_score.py), MACE-Dance 2025 (Evaluation-Motion/calculate_metric.py).
"""

import dataclasses
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Shaped
from scipy.ndimage import gaussian_filter1d
from scipy.signal import argrelextrema

from xdancer_jax.evals.motion_set import norms
from xdancer_jax.evals.resampling import resample
from xdancer_jax.typing import Float, typechecked


class BeatScore(NamedTuple):
    """score in [0, 1]: 0 where the motion has no beat, NaN where the music has none; and the numbers of beats."""

    score: float
    music_beats: int
    motion_beats: int


@dataclasses.dataclass(frozen=True)
class BeatAlignment:
    """Beat alignment of one motion and one song.

    Attributes:
      id: name of the protocol.
      speed: a frame's speed is the "mean" or the "sum" of its joints' speeds.
      over: whose beats the score averages over: "music" (recall) or "motion" (precision).
      sigma_ms: width of the kernel.
      smoothing_ms: sigma of the Gaussian that smooths the speed; 0 for none.
      order_ms: a minimum must be lower than everything this near to it (at least one frame each way).
      first_zero: prepends a speed of 0, so that speed[t] is the step into frame t; otherwise it is the step out of t.
      rate: frames a second that motions and beats are brought to first; 0 for those that they have.
      within: music beats count up to the motion's last "frames", or last "steps" (one less).
      min_confidence: a joint's step counts where its confidence is above this in both frames.
      joints: indices of the joints used; empty for all.
    """

    id: str
    speed: Literal["mean", "sum"]
    over: Literal["music", "motion"]
    sigma_ms: float
    smoothing_ms: float
    order_ms: float
    first_zero: bool
    rate: float = 0.0
    within: Literal["frames", "steps"] = "frames"
    min_confidence: float = 0.3
    joints: tuple[int, ...] = ()

    @typechecked
    def __call__(
        self, poses: Float[np.ndarray, "F J C"], beats: Shaped[np.ndarray, " beats"], fps: float | int
    ) -> BeatScore:
        """Scores poses (places in any unit, confidence last) against `beats`: frame numbers if the array is of
        integers, else one number per frame that is nonzero on a beat. Beats past the motion's end are left out."""
        frames, rate = self.frames(len(poses), fps), self.rate or fps
        music = self.music_beats(beats, fps)
        return self.align(self.motion_beats(poses, fps), music[music < frames], rate)

    def frames(self, length: int, fps: float) -> int:
        """Within how many frames of the protocol's rate beats count, of a motion of `length` frames."""
        moved = int((length - 1) / fps * self.rate + 1e-6) + 1 if self.rate and self.rate != fps else length
        return moved - (self.within == "steps")

    def music_beats(self, beats: np.ndarray, fps: float) -> np.ndarray:
        """Frame numbers at the protocol's rate of beats at `fps`, see `__call__`."""
        found = beat_frames(beats)
        return np.floor(found * self.rate / fps + 1e-9).astype(np.int64) if self.rate else found

    def motion_beats(self, poses: np.ndarray, fps: float) -> np.ndarray:
        """Frame numbers, at the protocol's rate, of the motion beats of poses (F, J, C) at `fps`."""
        poses = poses[:, list(self.joints)] if self.joints else poses
        rate = self.rate or fps
        poses = resample(poses, float(fps), float(rate), self.min_confidence)
        speed = joint_speed(poses, self.speed, self.min_confidence)
        if self.smoothing_ms and len(speed):
            speed = gaussian_filter1d(speed, self.smoothing_ms * rate / 1000)
        if self.first_zero:
            speed = np.concatenate([[0.0], speed])
        order = max(1, round(self.order_ms * rate / 1000))
        return argrelextrema(speed, np.less, order=order)[0]

    def align(self, motion: np.ndarray, music: np.ndarray, fps: float) -> BeatScore:
        """Scores motion beats against music beats, both frame numbers."""
        if len(music) == 0:
            return BeatScore(float("nan"), 0, len(motion))
        if len(motion) == 0:
            return BeatScore(0.0, len(music), 0)
        asked, others = (music, motion) if self.over == "music" else (motion, music)
        return BeatScore(float(self.kernel(nearest(asked, others), fps).mean()), len(music), len(motion))

    def kernel(self, gaps: np.ndarray, fps: float) -> np.ndarray:
        """Scores of beats that lie `gaps` frames from the nearest of the other kind."""
        sigma = self.sigma_ms * fps / 1000
        return np.exp(-(gaps.astype(np.float64) ** 2) / (2 * sigma**2))


# As their sources write them, whose kernel is 3 frames at a rate of their own: these reproduce the sources' figures.
BAS_BAILANDO_60FPS = BeatAlignment(
    "bas_bailando_60fps", "mean", "music", 50.0, 5000 / 60, 1000 / 60, False, 60.0, "steps"
)
BAS_MINT_60FPS = BeatAlignment("bas_mint_60fps", "sum", "motion", 50.0, 0.0, 10_000 / 60, True, 60.0)
BAS_MACE2D_16FPS = BeatAlignment("bas_mace2d_16fps", "mean", "music", 3000 / 16, 3500 / 16, 1000 / 16, False, 16.0)
# The same times at whatever rate the motion has.
BAS_BAILANDO_SECONDS, BAS_MINT_SECONDS, BAS_MACE2D_SECONDS = (
    dataclasses.replace(source, id=source.id.rpartition("_")[0] + "_seconds", rate=0.0)
    for source in (BAS_BAILANDO_60FPS, BAS_MINT_60FPS, BAS_MACE2D_16FPS)
)
# Ours: a kernel of 100 ms, 3 frames at 30 fps, for poses with confidence. Up to version 0.1.0 it was called
# bas_bailando_2d, which hid that Bailando's kernel is half as wide.
BAS_MASKED_100MS = BeatAlignment("bas_masked_100ms", "mean", "music", 100.0, 5000 / 60, 0.0, False)
SOURCES = (
    BAS_BAILANDO_60FPS, BAS_MINT_60FPS, BAS_MACE2D_16FPS, BAS_BAILANDO_SECONDS, BAS_MINT_SECONDS, BAS_MACE2D_SECONDS,
)


def beat_frames(beats: np.ndarray) -> np.ndarray:
    """Frame numbers of `beats`: themselves if integers, else the places where a value per frame is nonzero."""
    if np.issubdtype(beats.dtype, np.integer):
        return np.unique(beats)
    return np.flatnonzero(beats)


def nearest(asked: np.ndarray, others: np.ndarray, below: np.ndarray | None = None) -> np.ndarray:
    """Distance of each of `asked` to the nearest of `others`, sorted and not empty; with `below`, one number for each
    of `asked` which is above it, to the nearest that is lower than that: infinite where none is."""
    index = np.searchsorted(others, asked)
    after = others[np.minimum(index, len(others) - 1)]
    there = index < len(others) if below is None else (index < len(others)) & (after < below)
    gaps = np.where(index > 0, asked - others[np.maximum(index - 1, 0)], np.inf)
    return np.minimum(gaps, np.where(there, after - asked, np.inf))


def joint_speed(poses: np.ndarray, reduction: str, min_confidence: float) -> np.ndarray:
    """Speed (F - 1,) of poses (F, J, C) in lengths a frame: mean over the joints visible in both frames of a step, or
    that mean times J, so that a joint that drops out is no pause. Steps without a visible joint are interpolated."""
    seen = poses[..., -1] > min_confidence
    steps = norms(np.diff(poses[..., :-1].astype(np.float64), axis=0))
    if seen.all():
        return steps.mean(axis=1) if reduction == "mean" else steps.sum(axis=1)
    visible = seen[1:] & seen[:-1]
    count = visible.sum(axis=1)
    known = np.flatnonzero(count)
    if len(known) == 0:
        return np.zeros(len(steps))
    speed = np.where(visible, steps, 0).sum(axis=1)[known] / count[known]
    speed = np.interp(np.arange(len(steps)), known, speed)
    return speed * poses.shape[1] if reduction == "sum" else speed


__all__ = [
    "BAS_BAILANDO_60FPS", "BAS_BAILANDO_SECONDS", "BAS_MACE2D_16FPS", "BAS_MACE2D_SECONDS", "BAS_MASKED_100MS",
    "BAS_MINT_60FPS", "BAS_MINT_SECONDS", "SOURCES", "BeatAlignment", "BeatScore", "beat_frames", "joint_speed",
    "nearest",
]
