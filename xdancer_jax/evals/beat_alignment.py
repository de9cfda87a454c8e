"""Do the movements stop on the beat? Beat alignment scores as named protocols (docs/metrics.md).

A motion beat is a local minimum of the body's speed. Each beat of one kind is scored by its distance d to the nearest
beat of the other kind, exp(-d^2 / (2 sigma^2)), and the scores are averaged. All constants are in milliseconds, so that
a protocol means the same at every frame rate.
"""

import dataclasses
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Shaped
from scipy.ndimage import gaussian_filter1d
from scipy.signal import argrelextrema

from xdancer_jax.evals.protocols import Result, record
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
    min_confidence: float = 0.3
    joints: tuple[int, ...] = ()

    @typechecked
    def __call__(
        self, poses: Float[np.ndarray, "F J 3"], beats: Shaped[np.ndarray, " beats"], fps: float | int
    ) -> BeatScore:
        """Scores poses (x, y, confidence; any unit of length) against `beats`: frame numbers if the array is of
        integers, else one number per frame that is nonzero on a beat. Beats past the motion's end are left out."""
        music = beat_frames(beats)
        return self.align(self.motion_beats(poses, fps), music[music < len(poses)], fps)

    def motion_beats(self, poses: np.ndarray, fps: float) -> np.ndarray:
        """Frame numbers of the motion beats of poses (F, J, 3)."""
        speed = joint_speed(poses[:, list(self.joints)] if self.joints else poses, self.speed, self.min_confidence)
        if self.smoothing_ms and len(speed):
            speed = gaussian_filter1d(speed, self.smoothing_ms * fps / 1000)
        if self.first_zero:
            speed = np.concatenate([[0.0], speed])
        order = max(1, round(self.order_ms * fps / 1000))
        return argrelextrema(speed, np.less, order=order)[0]

    def align(self, motion: np.ndarray, music: np.ndarray, fps: float) -> BeatScore:
        """Scores motion beats against music beats, both frame numbers."""
        if len(music) == 0:
            return BeatScore(float("nan"), 0, len(motion))
        if len(motion) == 0:
            return BeatScore(0.0, len(music), 0)
        gaps = np.abs(np.subtract.outer(music, motion)).min(axis=1 if self.over == "music" else 0)
        sigma = self.sigma_ms * fps / 1000
        score = np.exp(-(gaps.astype(np.float64) ** 2) / (2 * sigma**2)).mean()
        return BeatScore(float(score), len(music), len(motion))


# Constants of the source programs, turned into time at the source's own frame rate, except the kernel: every source
# writes "3 frames" whatever its rate; ours is 3 frames at 30 fps for the two 60 fps protocols.
BAS_BAILANDO_2D = BeatAlignment("bas_bailando_2d", "mean", "music", 100.0, 5000 / 60, 0.0, False)
BAS_MINT_2D = BeatAlignment("bas_mint_2d", "sum", "motion", 100.0, 0.0, 10_000 / 60, True)
BAS_MACE_2D = BeatAlignment("bas_mace_2d", "mean", "music", 3000 / 16, 3500 / 16, 0.0, False)


def beat_frames(beats: np.ndarray) -> np.ndarray:
    """Frame numbers of `beats`: themselves if integers, else the places where a value per frame is nonzero."""
    if np.issubdtype(beats.dtype, np.integer):
        return np.unique(beats)
    return np.flatnonzero(beats)


def joint_speed(poses: np.ndarray, reduction: str, min_confidence: float) -> np.ndarray:
    """Speed (F - 1,) of poses (F, J, 3) in lengths a frame: mean over the joints visible in both frames of a step, or
    that mean times J, so that a joint that drops out is no pause. Steps without a visible joint are interpolated."""
    visible = (poses[1:, :, 2] > min_confidence) & (poses[:-1, :, 2] > min_confidence)
    steps = np.linalg.norm(np.diff(poses[..., :2].astype(np.float64), axis=0), axis=-1)
    count = visible.sum(axis=1)
    seen = np.flatnonzero(count)
    if len(seen) == 0:
        return np.zeros(len(steps))
    speed = np.where(visible, steps, 0).sum(axis=1)[seen] / count[seen]
    speed = np.interp(np.arange(len(steps)), seen, speed)
    return speed * poses.shape[1] if reduction == "sum" else speed


def _scores(
    protocol: BeatAlignment,
    motions: Sequence[np.ndarray],
    beats: Sequence[np.ndarray],
    songs: Sequence[str],
    fps: float,
) -> tuple[list[BeatScore], list[float]]:
    """Every motion with its own song, and every motion with every other song (over the length they share)."""
    found = [protocol.motion_beats(poses, fps) for poses in motions]
    own, others = [], []
    for i, motion in enumerate(found):
        for j, song in enumerate(beats):
            length = min(len(motions[i]), len(song))
            music = np.flatnonzero(song[:length])
            score = protocol.align(motion[motion < length], music, fps)
            if i == j:
                own.append(score)
            elif songs[i] != songs[j]:
                others.append(score.score)
    return own, others


def beat_alignment_report(
    protocol: BeatAlignment,
    motions: Sequence[np.ndarray],
    beats: Sequence[np.ndarray],
    fps: float,
    *,
    songs: Sequence[str] = (),
    ground_truth: Sequence[np.ndarray] = (),
) -> Result:
    """Scores motions (F, J, 3) against their songs' beats, one value per frame, nonzero on a beat.

    Values: "score" is the mean over the motions; "chance" that of every motion against every other song's beats (no
    random draw); with `ground_truth`, the real dances to the same songs, also their "ground_truth" and
    "ground_truth_chance", and "fraction" = (score - chance) / (ground_truth - ground_truth_chance): 0 is chance and 1
    as good as the real dances. Each has its own chance, since jitter, which makes motion beats everywhere, lifts both.

    Args:
      songs: name of each motion's song; motions of one song are not each other's chance. Empty: all differ.
    """
    songs = songs or [str(i) for i in range(len(motions))]
    if not motions or not len(motions) == len(beats) == len(songs):
        raise ValueError(f"beat alignment: {len(motions)} motions, {len(beats)} beat tracks and {len(songs)} songs")
    own, others = _scores(protocol, motions, beats, songs, fps)
    values = {"score": _mean([s.score for s in own]), "chance": _mean(others)}
    counts = {"motions": len(motions), "without_music_beats": sum(s.music_beats == 0 for s in own)}
    counts |= {"music_beats": sum(s.music_beats for s in own), "motion_beats": sum(s.motion_beats for s in own)}
    if ground_truth:
        if len(ground_truth) != len(motions):
            raise ValueError(f"beat alignment: {len(ground_truth)} ground truth dances for {len(motions)} motions")
        real, real_others = _scores(protocol, ground_truth, beats, songs, fps)
        values |= {"ground_truth": _mean([s.score for s in real]), "ground_truth_chance": _mean(real_others)}
        above = values["ground_truth"] - values["ground_truth_chance"]
        values["fraction"] = (values["score"] - values["chance"]) / above if above > 0 else float("nan")
        counts["ground_truth_motion_beats"] = sum(s.motion_beats for s in real)
    result = record(protocol, values, counts)
    return dataclasses.replace(result, constants={**result.constants, "fps": float(fps)})


def _mean(scores: Sequence[float]) -> float:
    """Mean of the defined scores; NaN where there is none."""
    defined = [score for score in scores if not np.isnan(score)]
    return float(np.mean(defined)) if defined else float("nan")
