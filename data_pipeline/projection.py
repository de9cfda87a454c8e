"""From joints in space to a picture of the dancer: an orthographic camera that he faces (the rule by which X-Dancer's
authors show 3-D baselines; what it leaves open is ours).

There is no picture whose dancer the camera could fit, so it frames the whole clip: the box around all joints in all
frames, as it is seen, fills FILLED of the frame's height or width, whichever it reaches first, and lies in its middle.
One scale and one place for the clip; nothing falls outside.
"""

from typing import Final

import numpy as np

from data_pipeline.skeleton import INDEX
from data_pipeline.unseen import placed

HEIGHT, WIDTH = 896, 512  # pixels of the paper's frame, where no size is given
FILLED: Final = 0.8
# the direction that is up -> the turn that makes it y; all are proper, none mirrors
_UPRIGHT: Final = {
    "y": ((1, 0, 0), (0, 1, 0), (0, 0, 1)), "-y": ((1, 0, 0), (0, -1, 0), (0, 0, -1)),
    "z": ((1, 0, 0), (0, 0, 1), (0, -1, 0)), "-z": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "x": ((0, -1, 0), (1, 0, 0), (0, 0, 1)), "-x": ((0, 1, 0), (-1, 0, 0), (0, 0, 1)),
}  # fmt: skip
_FARTHEST: Final = 1e9  # in any unit; beyond, a number is no place
_SIDES: Final = (("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"))


def project(joints: np.ndarray, height: float, width: float, up: str | None = None) -> np.ndarray:
    """Marked poses (F, 60, 3) in pixels, with confidence 1, of joints (F, 60, 3) in space in any unit; NaN is unseen.

    The camera stands where the dancer of the first frame looks, as his shoulders and hips say, and stays there: his
    left lies on the picture's right.

    Args:
        up: the direction that is up, "x", "y", "z" or "-x", ...; by default the one in which the neck lies above the
            hips, in the mean over the clip.

    Raises:
        ValueError: no frame shows a shoulder or a hip on both sides.
    """
    there = (np.abs(joints) <= _FARTHEST).all(-1)
    joints = np.where(there[..., None], joints, np.nan)
    turned = joints @ np.array(_UPRIGHT[up or _up(joints)]).T
    across = _across(turned)
    sideways = np.hypot(across[0], across[2])
    right = np.array((across[0], 0, across[2])) / sideways if sideways > 0 else np.array((1.0, 0, 0))
    seen = np.stack([turned @ right, -turned[..., 1]], axis=-1)
    low, high = seen[there].min(axis=0), seen[there].max(axis=0)
    scale = FILLED * min(np.array((width, height)) / np.maximum(high - low, 1e-9))
    xy = (seen - (low + high) / 2) * scale + (width / 2, height / 2)
    poses = np.concatenate([xy, np.ones_like(xy[..., :1])], axis=-1).astype(np.float32)
    poses[~placed(poses)] = np.nan, np.nan, 0
    return poses


def _up(joints: np.ndarray) -> str:
    """The axis along which the neck lies farthest from the middle of the hips, in the mean over frames."""
    hips = (joints[:, INDEX["left_hip"]] + joints[:, INDEX["right_hip"]]) / 2
    torso = joints[:, INDEX["neck"]] - hips
    torso = torso[np.isfinite(torso).all(axis=1)]
    if len(torso) == 0:
        raise ValueError("no frame shows shoulders and hips, so which way is up is not known")
    mean = torso.mean(axis=0)
    axis = int(np.argmax(np.abs(mean)))
    return ("" if mean[axis] > 0 else "-") + "xyz"[axis]


def _across(joints: np.ndarray) -> np.ndarray:
    """(3,) from the dancer's right to his left in the first frame that shows shoulders or hips of both sides."""
    sides = np.stack([joints[:, INDEX[left]] - joints[:, INDEX[right]] for left, right in _SIDES])
    shown = np.isfinite(sides).all(-1)
    if not shown.any():
        raise ValueError("no frame shows shoulders or hips of both sides, so where the dancer faces is not known")
    first = int(np.argmax(shown.any(axis=0)))
    return sides[shown[:, first], first].sum(axis=0)


__all__ = ["FILLED", "HEIGHT", "WIDTH", "project"]
