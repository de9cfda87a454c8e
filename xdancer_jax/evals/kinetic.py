"""How much do the joints move? Kinetic features of one motion (docs/metrics.md).

Three energies a joint: the mean over time of the squared horizontal speed, of the squared vertical speed, and of the
length of the acceleration, speed and acceleration being means over a window of frames. Source: Onuma et al. 2008 in the
form of fairmotion, whose code the AIST++ API and Bailando took over, its slip included.
"""

import dataclasses
from typing import Literal

import numpy as np

from xdancer_jax.evals.joints import BODY_INDICES, HIPS, SHOULDERS
from xdancer_jax.evals.motion_set import norms, split, torso_scaled
from xdancer_jax.typing import Float, typechecked

Accel = Literal["fixed", "legacy"]


@dataclasses.dataclass(frozen=True)
class KineticFeatures:
    """Kinetic features of 2-D poses, in torso lengths and seconds.

    Poses are centred on the hips and divided by the motion's median torso length, so that neither place nor size in the
    frame counts.

    Attributes:
      joints: those measured; empty for all.
      hips, shoulders: indices of the left and right joint; by default those of the 60 joints.
      window: speeds and accelerations are means over this many frames each way.
      accel: "fixed", or "legacy" for fairmotion's published slip, p[t] - p[t-1] / dt in place of the first velocity,
        which measures where people stand; only to compare with old tables.
      min_confidence: a joint is used in the frames where its confidence and the hips' are above this.
    """

    id: str = "kinetic_2d"
    joints: tuple[int, ...] = ()
    hips: tuple[int, int] = HIPS
    shoulders: tuple[int, int] = SHOULDERS
    window: int = 2
    accel: Accel = "fixed"
    min_confidence: float = 0.3

    def __post_init__(self):
        _check_accel(self.accel)

    @property
    def shortest(self) -> int:
        """Frames that a motion needs."""
        return 2 * self.window + 2

    @typechecked
    def __call__(self, poses: Float[np.ndarray, "F J 3"], fps: float | int) -> Float[np.ndarray, " C"]:
        """Horizontal, vertical and acceleration of each joint in turn; NaN for a joint that is never seen moving, and
        for all where the torso is never seen."""
        points, middle = torso_scaled(poses, self.min_confidence, self.joints, self.hips, self.shoulders)
        return energies(points - middle[:, None], fps, self.window, self.accel)


@dataclasses.dataclass(frozen=True)
class Kinetic3D:
    """Kinetic features of joints in space as the AIST++ API and Bailando compute them: 72 of SMPL's 24 joints.

    The unit is that of the places, metres in AIST++.

    Attributes:
      start: "first_root" subtracts joint 0 of the first frame, as Bailando does; "none" leaves places as they are.
      up: the axis that is vertical.
      frame_rate: that the source takes for granted, whatever the motion's is.
    """

    id: str = "kinetic_3d"
    start: Literal["first_root", "none"] = "first_root"
    up: Literal["y", "z"] = "y"
    frame_rate: float = 60.0
    window: int = 2
    accel: Accel = "legacy"
    min_confidence: float = 0.0

    def __post_init__(self):
        _check_accel(self.accel)

    @property
    def shortest(self) -> int:
        """Frames that a motion needs."""
        return 2 * self.window + 2

    @typechecked
    def __call__(self, poses: Float[np.ndarray, "F J 4"], fps: float | int) -> Float[np.ndarray, " C"]:
        """As KineticFeatures; poses are places (x, y, z) and confidence. `fps` does not count, see `frame_rate`."""
        points, _ = split(poses, self.min_confidence)
        points = points - points[:1, :1] if self.start == "first_root" else points
        return energies(points, self.frame_rate, self.window, self.accel, "xyz".index(self.up))


def energies(points: np.ndarray, fps: float, window: int, accel: Accel, vertical: int = 1) -> np.ndarray:
    """(3 J,) of points (F, J, D), NaN where not seen: see the module."""
    velocity = np.diff(points, axis=0) * fps
    if accel == "fixed":
        acceleration = np.diff(velocity, axis=0) * fps
    else:
        acceleration = (velocity[1:] - (points[1:-1] - points[:-2] * fps)) * fps
    # As in fairmotion, there are as many windows of accelerations as of steps: the last has one less to average.
    acceleration = np.concatenate([acceleration, np.full_like(velocity[:1], np.nan)])
    speed = _windowed(velocity, window) ** 2
    steps = norms(_windowed(acceleration, window))
    horizontal = speed.sum(axis=-1) - speed[..., vertical] if speed.shape[-1] > 2 else speed[..., 1 - vertical]
    found = np.stack([_mean(horizontal), _mean(speed[..., vertical]), _mean(steps)], axis=-1)
    return found.reshape(-1)


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


def _check_accel(accel: str) -> None:
    if accel not in ("fixed", "legacy"):
        raise ValueError(f"accel must be 'fixed' or 'legacy', got {accel!r}")


# What launch.evaluate writes: all joints, those of the body alone, and fairmotion's slip for old tables.
KINETIC_2D = KineticFeatures()
KINETIC_2D_BODY = KineticFeatures("kinetic_2d_body", BODY_INDICES)
KINETIC_2D_LEGACY = KineticFeatures("kinetic_2d_body_legacy", BODY_INDICES, accel="legacy")

__all__ = ["KINETIC_2D", "KINETIC_2D_BODY", "KINETIC_2D_LEGACY", "Kinetic3D", "KineticFeatures", "energies"]
