"""Yes-or-no statements about a body in one frame, from which geometric features are made.

Source: Mueller et al. 2005 (relational features), as fairmotion writes them out. Every function gets places by name,
(F, D) each, and answers for each step from one frame to the next, at its later frame: (F - 1,) bool. A comparison with
what has no length is False.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from xdancer_jax.evals.motion_set import norms

Places = Mapping[str, np.ndarray]


class Predicate(NamedTuple):
    """A statement: its kind, the joints it is about, and its threshold in `unit`s, or two angles in degrees."""

    kind: str
    joints: tuple[str, ...]
    limit: tuple[float, ...]
    unit: str = "humerus"


def above_plane(places: Places, joints: tuple[str, ...], limit: float) -> np.ndarray:
    """joints[3] lies more than `limit` beyond joints[2] in the direction from joints[0] to joints[1] ("nplane")."""
    start, end, foot, point = (places[name][1:] for name in joints)
    return _along(point - foot, end - start) > limit


def beside_plane(places: Places, joints: tuple[str, ...], limit: float) -> np.ndarray:
    """joints[3] lies more than `limit` off the plane through the other three; in space only ("plane")."""
    a, b, c, point = (places[name][1:] for name in joints)
    return _along(point - a, np.cross(c - a, b - a)) > limit


def angle(places: Places, joints: tuple[str, ...], low: float, high: float) -> np.ndarray:
    """The angle in degrees between joints[0] -> [1] and joints[2] -> [3] lies between `low` and `high`."""
    a, b, c, d = (places[name][1:] for name in joints)
    one, other = b - a, d - c
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = np.einsum("fd,fd->f", one, other) / (norms(one) * norms(other))
        found = np.degrees(np.arccos(cosine))
    return (found > low) & (found < high)


def fast(places: Places, joints: tuple[str, ...], limit: float, fps: float) -> np.ndarray:
    """joints[0] is faster than `limit` a second."""
    return norms(np.diff(places[joints[0]], axis=0)) * fps > limit


def moves(places: Places, joints: tuple[str, ...], limit: float, fps: float) -> np.ndarray:
    """joints[3] moves relative to joints[2] faster than `limit` a second in the direction joints[0] -> [1] ("move")."""
    start, end = places[joints[0]][1:], places[joints[1]][1:]
    relative = np.diff(places[joints[3]] - places[joints[2]], axis=0)
    return _along(relative, end - start) * fps > limit


def moves_published(places: Places, joints: tuple[str, ...], limit: float, fps: float) -> np.ndarray:
    """What fairmotion's code makes of "move": joints[2] relative to joints[0]; joints[3] plays no part."""
    return moves(places, (joints[0], joints[1], joints[0], joints[2]), limit, fps)


def moves_off_plane(places: Places, joints: tuple[str, ...], limit: float, fps: float) -> np.ndarray:
    """joints[3] moves relative to [0] faster than `limit` a second off the plane of the first three ("nmove")."""
    a, b, c = (places[name][1:] for name in joints[:3])
    relative = np.diff(places[joints[3]] - places[joints[0]], axis=0)
    return _along(relative, np.cross(c - a, b - a)) * fps > limit


def _along(vector: np.ndarray, direction: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.einsum("fd,fd->f", vector, direction) / norms(direction)


def _both(kind: str, joints: str, limit: tuple[float, ...], unit: str = "humerus") -> list[Predicate]:
    """For the right side and the left: S is the side, O the other one."""
    sides = [joints.replace("S", side).replace("O", other).split() for side, other in (("r", "l"), ("l", "r"))]
    return [Predicate(kind, tuple(names), limit, unit) for names in sides]


# fairmotion's 32, in its order.
ALL: tuple[Predicate, ...] = (
    *_both("nmove", "neck Ship Ohip Swrist", (1.8,)),
    *_both("nplane", "chest neck neck Swrist", (0.2,)),
    *_both("move", "belly chest chest Swrist", (1.8,)),
    *_both("angle", "Selbow Sshoulder Selbow Swrist", (0, 110)),
    Predicate("nplane", ("lshoulder", "rshoulder", "lwrist", "rwrist"), (2.5,), "shoulders"),
    Predicate("move", ("lwrist", "rwrist", "rwrist", "lwrist"), (1.4,)),
    *_both("move", "Swrist root Owrist root", (1.4,)),
    *_both("fast", "Swrist", (2.5,)),
    Predicate("plane", ("root", "lhip", "ltoes", "rankle"), (0.38,)),
    Predicate("plane", ("root", "rhip", "rtoes", "lankle"), (0.38,)),
    *_both("nplane", "zero y_unit y_min Sankle", (1.2,)),
    Predicate("nplane", ("lhip", "rhip", "lankle", "rankle"), (2.1,), "hips"),
    *_both("angle", "Sknee Ship Sknee Sankle", (0, 110)),
    *_both("fast", "Sankle", (2.5,)),
    *_both("angle", "neck root Sshoulder Selbow", (25, 180)),
    *_both("angle", "neck root Ship Sknee", (50, 180)),
    Predicate("plane", ("rankle", "neck", "lankle", "root"), (0.5,)),
    Predicate("angle", ("neck", "root", "zero", "y_unit"), (70, 110)),
    *_both("nplane", "zero minus_y_unit y_min Swrist", (-1.2,)),
    Predicate("fast", ("root",), (2.3,)),
)

__all__ = [
    "ALL", "Places", "Predicate", "above_plane", "angle", "beside_plane", "fast", "moves", "moves_off_plane",
    "moves_published",
]
