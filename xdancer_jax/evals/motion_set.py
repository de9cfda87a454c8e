"""Motions that are measured together, checked once; and what a motion metric is to be compared with."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from xdancer_jax.evals.joints import HIPS, SHOULDERS

Change = Callable[[np.ndarray], np.ndarray]  # of one motion, as it is measured: memory holds one changed motion


@dataclasses.dataclass(frozen=True)
class MotionSet:
    """Motions of one frame rate.

    Attributes:
      poses: of each motion (F, J, D + 1): places in any unit of length, confidence last. F may differ, J and D may not.
      fps: frames a second.
      names: of the motions, for messages; their numbers if not given.

    Raises ValueError for no motion, a wrong shape, a rate that is none, names that do not fit, or a motion whose joints
    are not finite where their confidence is above 0.
    """

    poses: Sequence[np.ndarray]
    fps: float
    names: Sequence[str] = ()

    def __post_init__(self):
        if not self.fps > 0 or not np.isfinite(self.fps):
            raise ValueError(f"motions: fps is {self.fps}, must be above 0")
        if not len(self.poses):
            raise ValueError("motions: there are none")
        object.__setattr__(self, "names", tuple(self.names) or tuple(map(str, range(len(self.poses)))))
        if len(self.names) != len(self.poses):
            raise ValueError(f"motions: {len(self.names)} names for {len(self.poses)} motions")
        for name, motion in zip(self.names, self.poses, strict=True):
            if motion.ndim != 3 or motion.shape[1:] != self.poses[0].shape[1:] or not len(motion):
                raise ValueError(
                    f"motion {name!r}: shape {motion.shape}, expected (frames, joints, places and confidence) as "
                    f"{self.names[0]!r}, {self.poses[0].shape}"
                )
            broken = ~np.isfinite(motion).all(axis=-1) & ~(motion[..., -1] <= 0)
            if broken.any():
                raise ValueError(
                    f"motion {name!r}: joints are not finite in {broken.any(axis=1).sum()} of {len(motion)} frames; "
                    "give unseen joints confidence 0"
                )

    def __len__(self) -> int:
        return len(self.poses)

    @property
    def lengths(self) -> dict[str, int]:
        """Frames of the shortest, the longest, and all motions, for a result's counts."""
        frames = [len(motion) for motion in self.poses]
        return {"shortest": min(frames), "longest": max(frames), "frames": sum(frames)}


def same(poses: np.ndarray) -> np.ndarray:
    """A motion as it is."""
    return poses


def repeat_photo(frames: int | None = None) -> Change:
    """The photo's pose, that of the first frame, in every frame, or in `frames` frames: the baseline without motion."""
    return lambda poses: np.repeat(poses[:1], frames or len(poses), axis=0)


def shuffled(seed: int) -> Change:
    """The same poses with their frames in random order: right poses, no motion. Motions of one length share it."""
    return lambda poses: poses[np.random.default_rng((seed, len(poses))).permutation(len(poses))]


def check_rate(motions: MotionSet, truth: MotionSet) -> None:
    """Raises ValueError where two sets differ in frame rate or joints."""
    if motions.fps != truth.fps:
        raise ValueError(f"motions at {motions.fps:g} fps, true ones at {truth.fps:g} fps: resample one of them")
    if motions.poses[0].shape[1:] != truth.poses[0].shape[1:]:
        raise ValueError(f"motions of {motions.poses[0].shape[1:]} joints, true ones of {truth.poses[0].shape[1:]}")


def check_pairs(motions: MotionSet, truth: MotionSet) -> None:
    """Raises ValueError where two sets differ in frame rate, joints or number."""
    check_rate(motions, truth)
    if len(motions) != len(truth):
        raise ValueError(f"{len(motions)} motions for {len(truth)} true ones")


def split(poses: np.ndarray, min_confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Points (F, J, D) float64, NaN where a joint is not seen, and where it is, (F, J)."""
    seen, points = poses[..., -1] > min_confidence, poses[..., :-1].astype(np.float64)
    if not seen.all():
        points[~seen] = np.nan
    return points, seen


def torso(
    poses: np.ndarray, min_confidence: float, hips: Sequence[int] = HIPS, shoulders: Sequence[int] = SHOULDERS
) -> tuple[np.ndarray, float]:
    """The hips' middle (F, D), NaN where unseen, and the torso's length: the clip's median from there to the shoulders'
    middle. NaN where hips and shoulders are never seen together, or lie in one place."""
    corners, _ = split(poses[:, [*hips, *shoulders]], min_confidence)
    middle = (corners[:, 0] + corners[:, 1]) / 2
    length = norms((corners[:, 2] + corners[:, 3]) / 2 - middle)
    length = length[np.isfinite(length)]
    scale = float(np.median(length)) if len(length) else 0.0
    return middle, scale if scale > 0 else float("nan")


def torso_scaled(
    poses: np.ndarray, min_confidence: float, joints: Sequence[int] = (), hips: Sequence[int] = HIPS,
    shoulders: Sequence[int] = SHOULDERS,
) -> tuple[np.ndarray, np.ndarray]:
    """Points (F, J, D) of `joints`, all if empty, and the hips' middle (F, D), in torso lengths; NaN where unseen, all
    NaN where the torso is, see `torso`."""
    middle, scale = torso(poses, min_confidence, hips, shoulders)
    points, _ = split(poses[:, list(joints)] if joints else poses, min_confidence)
    return points / scale, middle / scale


def norms(vectors: np.ndarray) -> np.ndarray:
    """Lengths over the last axis, which is short: faster than numpy's, the same to rounding."""
    return np.sqrt(np.einsum("...d,...d->...", vectors, vectors))


__all__ = [
    "Change", "MotionSet", "check_pairs", "check_rate", "norms", "repeat_photo", "same", "shuffled", "split",
    "torso", "torso_scaled",
]
