"""Joints as others number them to our 60 (skeleton.py): MediaPipe 33 + hands, COCO-WholeBody 133 and COCO 17,
OpenPose's body and hands (arrays of both: openpose_arrays.py).

All take rows of x, y and score in which a joint that was not seen is marked (unseen.mark), and so do they give them.
"""

from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from data_pipeline.skeleton import BODY_JOINTS, HAND_JOINTS, INDEX, LEFT_HAND_START, NUM_JOINTS, RIGHT_HAND_START

# Our body joint -> index in the source layout. The neck is not in the first two: it is the middle of the shoulders.
MEDIAPIPE_BODY: Final = {
    "nose": 0, "left_eye": 2, "right_eye": 5, "left_ear": 7, "right_ear": 8,
    "left_shoulder": 11, "right_shoulder": 12, "left_elbow": 13, "right_elbow": 14, "left_wrist": 15,
    "right_wrist": 16, "left_hip": 23, "right_hip": 24, "left_knee": 25, "right_knee": 26, "left_ankle": 27,
    "right_ankle": 28,
}  # fmt: skip
COCO_BODY: Final = {
    name: i
    for i, name in enumerate((
        "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
        "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
        "right_ankle",
    ))
}  # fmt: skip
_HANDS: Final = len(HAND_JOINTS)
_WHOLEBODY_LEFT, _WHOLEBODY_RIGHT = 91, 112
BODY25: Final = (*range(8), *range(9, 19))  # our body, OpenPose's 18, in BODY_25; at 8 is the middle of the hips


class UnstatedError(ValueError):
    """A pose file that does not say of what frame size or rate it is."""

    def __init__(self, path: Path, lacking: str):
        super().__init__(
            f"{path}: does not state its {lacking}, which launch.generate needs; "
            "only preparing a data set takes it, as FILE:HEIGHTxWIDTH:FPS"
        )
        self.lacking = lacking


class Counts(NamedTuple):
    """What was odd in a pose file, for whoever asks: confidences above 1 that were clipped and those below 0 or no
    number that were zeroed, of all its people and joints; frames that show several people, and those of which nobody
    was taken."""

    clipped: int = 0
    zeroed: int = 0
    several: int = 0
    nobody: int = 0


class Clip(NamedTuple):
    """Poses (F, 60, 3) in pixels of a height x width frame, each shown at `times` (F,) float64 seconds from the first;
    a dance's tokens (F, ...); how many more frames its video would have if it were not cut off; what was odd in its
    file, which is not saved."""

    poses: np.ndarray
    height: int
    width: int
    times: np.ndarray
    tokens: np.ndarray | None = None
    lost: int = 0
    counts: Counts = Counts()


def from_mediapipe(pose: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """MediaPipe landmarks to (..., 60, 3) pixels.

    Args:
        pose: (..., 33, >=4) x, y in pixels, visibility, presence. Confidence is visibility * presence.
        left, right: (..., 21, 3) x, y in pixels, score of the dancer's own left and right hand.
    """
    pose = np.concatenate([pose[..., :2], pose[..., 2:3] * pose[..., 3:4]], axis=-1)
    return assemble(body_of(pose, MEDIAPIPE_BODY), left, right)


def from_wholebody(keypoints: np.ndarray) -> np.ndarray:
    """COCO-WholeBody (..., 133, 3), as RTMW gives it, or its first 17 alone, COCO's body, to (..., 60, 3)."""
    return assemble(
        body_of(keypoints, COCO_BODY), _hand(keypoints, _WHOLEBODY_LEFT), _hand(keypoints, _WHOLEBODY_RIGHT)
    )


def from_openpose_parts(body: np.ndarray, left: np.ndarray | None, right: np.ndarray | None) -> np.ndarray:
    """OpenPose's body (25, 3) or (18, 3) and its hands (21, 3), where it found them, to (60, 3)."""
    nothing = np.full((_HANDS, 3), (np.nan, np.nan, 0), np.float32)
    body = body[..., BODY25, :] if len(body) == 25 else body
    return assemble(body, nothing if left is None else left, nothing if right is None else right)


def _hand(keypoints: np.ndarray, start: int) -> np.ndarray:
    """The hand at `start`, or one that was not seen where the layout has none."""
    hand = keypoints[..., start : start + _HANDS, :]
    return hand if hand.shape[-2] else np.array((np.nan, np.nan, 0), np.float32)


def body_of(source: np.ndarray, indices: dict[str, int]) -> np.ndarray:
    """Our body (..., 18, 3) of a layout without neck: it is the middle of the shoulders, as sure as the less sure."""
    body = np.zeros((*source.shape[:-2], len(BODY_JOINTS), 3), np.float32)
    for name, index in indices.items():
        body[..., INDEX[name], :] = source[..., index, :]
    left, right = body[..., INDEX["left_shoulder"], :], body[..., INDEX["right_shoulder"], :]
    body[..., INDEX["neck"], :2] = (left[..., :2] + right[..., :2]) / 2
    body[..., INDEX["neck"], 2] = np.minimum(left[..., 2], right[..., 2])
    return body


def assemble(body: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Body (..., 18, 3) and hands (..., 21, 3), or of one row for all, to (..., 60, 3); confidences within [0, 1]."""
    poses = np.empty((*body.shape[:-2], NUM_JOINTS, 3), np.float32)
    poses[..., :LEFT_HAND_START, :] = body
    poses[..., LEFT_HAND_START:RIGHT_HAND_START, :] = left
    poses[..., RIGHT_HAND_START:, :] = right
    poses[..., 2] = np.clip(poses[..., 2], 0, 1)
    return poses
