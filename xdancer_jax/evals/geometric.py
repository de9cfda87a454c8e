"""Which poses does the body take? Geometric features of one motion (docs/metrics.md).

Each is the share of the frames in which a statement about the body is true (predicates.ALL: a hand above the neck, an
elbow bent, a foot fast). Source: Mueller et al. 2005 and fairmotion, from which the AIST++ API and Bailando have them.
"""

import dataclasses

import numpy as np

from xdancer_jax.evals import predicates
from xdancer_jax.evals.joints import BODY
from xdancer_jax.evals.motion_set import split, torso_scaled
from xdancer_jax.evals.predicates import ALL, Predicate
from xdancer_jax.typing import Float, typechecked

# SMPL's 24 joints under fairmotion's names.
SMPL = (
    "root", "lhip", "rhip", "belly", "lknee", "rknee", "spine", "lankle", "rankle", "chest", "ltoes", "rtoes", "neck",
    "linshoulder", "rinshoulder", "head", "lshoulder", "rshoulder", "lelbow", "relbow", "lwrist", "rwrist", "lhand",
    "rhand",
)  # fmt: skip
# Lengths of SMPL's template, in metres, that fairmotion measures thresholds in; its hips' to its shoulders' middle.
HUMERUS, SHOULDERS, HIPS, TORSO = 0.2568381, 0.3908484, 0.1192471, 0.5647974
_SEEN_IN_A_PICTURE = tuple(each for each in ALL if each.kind not in ("plane", "nmove"))


@dataclasses.dataclass(frozen=True)
class Geometric3D:
    """fairmotion's 32 features of SMPL's 24 joints in metres, y up, as the AIST++ API and Bailando compute them.

    Attributes:
      frame_rate: that the source takes for granted for speeds, whatever the motion's is.
      humerus, shoulders, hips: lengths of SMPL's template that thresholds are measured in.
    """

    id: str = "geometric_3d"
    frame_rate: float = 120.0
    humerus: float = HUMERUS
    shoulders: float = SHOULDERS
    hips: float = HIPS
    min_confidence: float = 0.0
    shortest = 2

    @typechecked
    def __call__(self, poses: Float[np.ndarray, "F 24 4"], fps: float | int) -> Float[np.ndarray, "32"]:
        """(32,) of places and confidence; NaN for a statement about joints that are never seen. `fps` does not count,
        see `frame_rate`."""
        points, _ = split(poses, self.min_confidence)
        places = {name: points[:, i] for i, name in enumerate(SMPL)} | _ground(points)
        units = {"humerus": self.humerus, "shoulders": self.shoulders, "hips": self.hips}
        return shares(ALL, places, units, self.frame_rate, published=True)


@dataclasses.dataclass(frozen=True)
class Geometric2D:
    """The 27 of fairmotion's 32 features that a picture shows, of 2-D poses whose first 18 joints are OpenPose's.

    Left out are those about depth ("plane", "nmove": a foot or hand in front of the body). Lengths are the template's
    shares of the motion's own median torso, and speeds are by the motion's own rate. "move" is as Mueller et al. define
    it, the fourth joint relative to the third; fairmotion's code measures the third relative to the first.

    Attributes:
      humerus, shoulders, hips: in torso lengths.
      min_confidence: a statement counts in the frames in which its joints' confidence is above this.
    """

    id: str = "geometric_2d"
    humerus: float = HUMERUS / TORSO
    shoulders: float = SHOULDERS / TORSO
    hips: float = HIPS / TORSO
    min_confidence: float = 0.3
    shortest = 2

    @typechecked
    def __call__(self, poses: Float[np.ndarray, "F J 3"], fps: float | int) -> Float[np.ndarray, "27"]:
        """(27,) of (x, y, confidence), y down; NaN for a statement about joints that are never seen."""
        points = torso_scaled(poses[:, : len(BODY)], self.min_confidence)[0] * np.array([1.0, -1.0])
        places = {short(name): points[:, i] for i, name in enumerate(BODY)}
        root = (places["lhip"] + places["rhip"]) / 2
        chest = (places["lshoulder"] + places["rshoulder"]) / 2
        places |= {"root": root, "belly": root, "chest": (root + chest) / 2, "neck": chest} | _ground(points)
        units = {"humerus": self.humerus, "shoulders": self.shoulders, "hips": self.hips}
        return shares(_SEEN_IN_A_PICTURE, places, units, fps, published=False)


def shares(
    statements: tuple[Predicate, ...], places: predicates.Places, units: dict[str, float], fps: float, published: bool
) -> np.ndarray:
    """Share of the steps in which each statement is true, of those that show its joints; NaN where none does."""
    found, shown = [], {name: np.isfinite(place).all(axis=-1) for name, place in places.items()}
    for each in statements:
        limit = tuple(value * units[each.unit] for value in each.limit)
        if each.kind == "angle":
            holds = predicates.angle(places, each.joints, *each.limit)
        elif each.kind == "nplane":
            holds = predicates.above_plane(places, each.joints, *limit)
        elif each.kind == "plane":
            holds = predicates.beside_plane(places, each.joints, *limit)
        else:
            moving = predicates.moves_published if published else predicates.moves
            function = {"fast": predicates.fast, "move": moving, "nmove": predicates.moves_off_plane}[each.kind]
            holds = function(places, each.joints, *limit, fps)
        seen = np.logical_and.reduce([shown[name] for name in each.joints])
        seen = seen[1:] & (seen[:-1] if each.kind in ("fast", "move", "nmove") else True)
        found.append(holds[seen].mean() if seen.any() else np.nan)
    return np.array(found, np.float64)


def _ground(points: np.ndarray) -> dict[str, np.ndarray]:
    """The vertical, and the lowest point of the body in each frame; y is up."""
    zero = np.zeros_like(points[:, 0])
    up, lowest = zero.copy(), zero.copy()
    up[:, 1] = 1
    heights = np.where(np.isfinite(points[..., 1]), points[..., 1], np.inf).min(axis=1)
    lowest[:, 1] = np.where(np.isfinite(heights), heights, np.nan)
    return {"zero": zero, "y_unit": up, "minus_y_unit": -up, "y_min": lowest}


def short(name: str) -> str:
    """fairmotion's name of a joint of the body: "left_hip" is "lhip"."""
    side, _, joint = name.partition("_")
    return side[0] + joint if joint else name


GEOMETRIC_2D = Geometric2D()

__all__ = ["BODY", "GEOMETRIC_2D", "SMPL", "Geometric2D", "Geometric3D", "shares", "short"]
