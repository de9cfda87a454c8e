"""How different are the dances? Kinetic features of 2-D poses and the mean distance between them (docs/metrics.md)."""

import dataclasses
from typing import Literal

import numpy as np

from xdancer_jax.evals.protocols import Result, record
from xdancer_jax.typing import Float, typechecked


@dataclasses.dataclass(frozen=True)
class KineticFeatures:
    """Three kinetic energies per joint of one dance, after Onuma et al. in the form of fairmotion, in 2-D.

    Poses are centred on the hips and divided by the dance's median torso length, so the unit is torso lengths and
    seconds and neither place nor size in the frame counts.

    Attributes:
      hips, shoulders: indices of the left and right joint; by default those of the 60 joints.
      window: velocities and accelerations are means over this many frames each way.
      accel: "fixed", or "legacy" for fairmotion's published slip, p[t] - p[t-1] / dt in place of the first velocity,
        which measures where people stand; only to compare with old tables.
      min_confidence: a joint is used in the frames where its confidence and the hips' are above this.
    """

    hips: tuple[int, int] = (11, 8)
    shoulders: tuple[int, int] = (5, 2)
    id: str = "kinetic_2d"
    window: int = 2
    accel: Literal["fixed", "legacy"] = "fixed"
    min_confidence: float = 0.3

    @typechecked
    def __call__(self, poses: Float[np.ndarray, "F J 3"], fps: float | int) -> Float[np.ndarray, "3*J"]:
        """Per joint: mean squared horizontal speed, mean squared vertical speed, mean acceleration; NaN for a joint
        that is never seen moving. Raises ValueError where the torso is never seen."""
        if self.accel not in ("fixed", "legacy"):
            raise ValueError(f"accel must be 'fixed' or 'legacy', got {self.accel!r}")
        points = self._centred(poses)
        velocity = np.diff(points, axis=0) * fps
        if self.accel == "fixed":
            acceleration = np.diff(velocity, axis=0) * fps
        else:
            acceleration = (velocity[1:] - (points[1:-1] - points[:-2] * fps)) * fps
        # As in fairmotion, there are as many windows of accelerations as of steps: the last has one less to average.
        acceleration = np.concatenate([acceleration, np.full_like(acceleration[:1], np.nan)])
        speed = _windowed(velocity, self.window)
        steps = np.linalg.norm(_windowed(acceleration, self.window), axis=-1)
        energies = np.stack([_mean(speed[..., 0] ** 2), _mean(speed[..., 1] ** 2), _mean(steps)], axis=-1)
        return energies.reshape(-1)

    def _centred(self, poses: np.ndarray) -> np.ndarray:
        """(F, J, 2) float64 in torso lengths from the hips; NaN where not seen."""
        points = poses[..., :2].astype(np.float64)
        points = np.where((poses[..., 2] > self.min_confidence)[..., None], points, np.nan)
        hips = points[:, list(self.hips)].mean(axis=1)
        torso = np.linalg.norm(points[:, list(self.shoulders)].mean(axis=1) - hips, axis=-1)
        if not np.isfinite(torso).any():
            raise ValueError("kinetic features: hips and shoulders are never seen together")
        scale = np.nanmedian(torso)
        if scale <= 0:
            raise ValueError("kinetic features: the torso has no length")
        return (points - hips[:, None]) / scale


@dataclasses.dataclass(frozen=True)
class Diversity:
    """DIV: mean L2 distance over all pairs of dances, features normalised by the real dances' mean and deviation.

    A feature that is NaN (joint never seen) counts as the real mean; one that does not vary among the real dances
    (deviation below `min_std`) is left out, where the published form divides by 1e-10.
    """

    id: str = "div_gtnorm"
    min_std: float = 1e-8

    @typechecked
    def __call__(self, features: Float[np.ndarray, "dances C"], real: Float[np.ndarray, "real C"]) -> float:
        """DIV of `features`, one row per dance. Raises ValueError for fewer than two dances on either side."""
        if len(features) < 2 or len(real) < 2:
            raise ValueError(f"diversity needs two dances or more, got {len(features)} and {len(real)} real ones")
        seen = np.isfinite(real).sum(axis=0) >= 2
        mean, std = np.nanmean(real[:, seen], axis=0), np.nanstd(real[:, seen], axis=0)
        varies = std >= self.min_std
        scaled = np.nan_to_num((features[:, seen] - mean)[:, varies] / std[varies], nan=0.0)
        i, j = np.triu_indices(len(scaled), 1)
        return float(np.linalg.norm(scaled[i] - scaled[j], axis=-1).mean())


def diversity_report(
    kinetic: KineticFeatures, motions: list[np.ndarray], real: list[np.ndarray], fps: float
) -> Result:
    """DIV of `motions` ("diversity") and of the `real` dances that also normalise both ("ground_truth"); NaN where
    there are fewer than two of either."""
    ours, theirs = (np.stack([kinetic(poses, fps) for poses in clips]) for clips in (motions, real))
    diversity = Diversity()
    enough = len(motions) > 1 and len(real) > 1
    lengths = [len(poses) for poses in motions]
    result = record(
        kinetic,
        {
            "diversity": diversity(ours, theirs) if enough else float("nan"),
            "ground_truth": diversity(theirs, theirs) if enough else float("nan"),
        },
        {"motions": len(motions), "real": len(real), "shortest": min(lengths), "longest": max(lengths)},
    )
    constants = {**result.constants, "fps": float(fps), "normalisation": dataclasses.asdict(diversity)}
    return dataclasses.replace(result, protocol=f"{diversity.id}_{kinetic.id}", constants=constants)


def _windowed(values: np.ndarray, window: int) -> np.ndarray:
    """Mean over the finite values within `window` rows each way; NaN where there is none."""
    finite = np.isfinite(values)
    padding = [(window, window)] + [(0, 0)] * (values.ndim - 1)
    total, count = (np.pad(a, padding) for a in (np.where(finite, values, 0.0), finite.astype(np.float64)))
    rows = range(2 * window + 1)
    total, count = (sum(a[r : r + len(values)] for r in rows) for a in (total, count))
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over time of the finite values; NaN where there is none."""
    finite = np.isfinite(values)
    count = finite.sum(axis=0)
    total = np.where(finite, values, 0.0).sum(axis=0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
