"""Kinetic and geometric features of 2-D poses as MACE-Dance's evaluation computes them (docs/metrics.md).

Source: MACE-Dance 2025, Evaluation-Motion/features/kinetic_2d.py and geometric_2d.py, with what is odd in them: speeds
divide by 1/30 s though its videos have 16 frames a second; geometric speeds are by frame, in shoulder widths of the
first frame; statements about planes are never true. It has 25 joints of ViTPose; here they are neck and limbs.
Confidence plays no part but that unseen joints are bridged, and features of joints that are never seen are NaN.
"""

import dataclasses

import numpy as np
from scipy.ndimage import uniform_filter1d

from xdancer_jax.evals.geometric import BODY, short
from xdancer_jax.evals.joints import BODY_INDICES, HIPS
from xdancer_jax.evals.predicates import ALL
from xdancer_jax.evals.resampling import bridge, resample
from xdancer_jax.typing import Float, typechecked


@dataclasses.dataclass(frozen=True)
class KineticMace2D:
    """Three energies a joint, in pixels and seconds, of poses centred on the hips.

    Attributes:
      rate: frames a second that motions are brought to.
      frame_time: seconds that the source takes between two frames.
      pixels: a unit of the places; record coordinates have half the frame's height, here of the paper's frame.
      window: speeds and accelerations are means over this many frames each way, zeros beyond the ends.
    """

    id: str = "kinetic_mace2d"
    rate: float = 16.0
    frame_time: float = 1 / 30
    pixels: float = 448.0
    window: int = 2
    joints: tuple[int, ...] = BODY_INDICES
    min_confidence: float = 0.3
    shortest = 3

    @typechecked
    def __call__(self, poses: Float[np.ndarray, "F J 3"], fps: float | int) -> Float[np.ndarray, " C"]:
        """Horizontal, vertical and acceleration of each joint in turn."""
        points = _points(poses, fps, self.rate, self.min_confidence) * self.pixels
        points = (points - points[:, list(HIPS)].mean(axis=1, keepdims=True))[:, list(self.joints)]
        velocity = self._smooth(self._change(points))
        speed = (velocity**2).mean(axis=0)
        acceleration = np.linalg.norm(self._smooth(self._change(velocity)), axis=-1).mean(axis=0)
        return np.concatenate([speed, acceleration[:, None]], axis=-1).reshape(-1)

    def _change(self, values: np.ndarray) -> np.ndarray:
        change = np.diff(values, axis=0) / self.frame_time
        return np.concatenate([change[:1], change])

    def _smooth(self, values: np.ndarray) -> np.ndarray:
        return uniform_filter1d(values, 2 * self.window + 1, axis=0, mode="constant")


@dataclasses.dataclass(frozen=True)
class GeometricMace2D:
    """32 shares of frames in which a statement is true.

    Attributes:
      rate: frames a second that motions are brought to.
    """

    id: str = "geometric_mace2d"
    rate: float = 16.0
    min_confidence: float = 0.3
    shortest = 2

    @typechecked
    def __call__(self, poses: Float[np.ndarray, "F J 3"], fps: float | int) -> Float[np.ndarray, "32"]:
        """(32,) in the order of predicates.ALL; all NaN where a joint of the limbs is never seen."""
        points = _points(poses, fps, self.rate, self.min_confidence)
        places = {short(name): points[:, i] for i, name in enumerate(BODY)}
        root = (places["lhip"] + places["rhip"]) / 2
        chest = (places["lshoulder"] + places["rshoulder"]) / 2
        zero = np.zeros_like(root)
        places |= {"root": root, "belly": root, "chest": chest, "neck": chest, "zero": zero, "y_unit": zero + (0, 1)}
        limbs = [places[side + joint] for side in "lr" for joint in ("elbow", "wrist", "knee", "ankle")]
        if np.isnan([root, chest, *limbs]).any():
            return np.full(len(ALL), np.nan)
        width = np.linalg.norm(places["lshoulder"][0] - places["rshoulder"][0]) + 1e-6
        return np.array([_share(each.kind, each.joints, each.limit, places, width) for each in ALL])


def _share(kind: str, joints: tuple[str, ...], limit: tuple[float, ...], places: dict, width: float) -> float:
    if kind in ("plane", "nplane"):
        return 0.0
    if kind == "angle":
        one, other = places[joints[1]] - places[joints[0]], places[joints[3]] - places[joints[2]]
        one, other = (v / (np.linalg.norm(v, axis=-1, keepdims=True) + 1e-6) for v in (one[1:], other[1:]))
        angle = np.degrees(np.arccos(np.clip((one * other).sum(axis=-1), -1, 1)))
        return float(((angle >= limit[0]) & (angle <= limit[1])).mean())
    steps = np.linalg.norm(np.diff(places[joints[0]], axis=0), axis=-1)  # of "move" and "nmove" too
    return float((steps > limit[0] * width).mean())


def _points(poses: np.ndarray, fps: float, rate: float, min_confidence: float) -> np.ndarray:
    """Places (G, 18, 2) of the body at `rate`, bridged; NaN for a joint that is never seen."""
    poses = poses[:, : len(BODY)]
    never = ~(poses[..., -1] > min_confidence).any(axis=0)
    points = bridge(resample(poses, float(fps), rate, min_confidence), min_confidence)
    points[:, never] = np.nan
    return points


__all__ = ["GeometricMace2D", "KineticMace2D"]
