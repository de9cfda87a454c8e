"""Where the joints lie that metrics name: the 18 of the body lead the 60 of a pose, in OpenPose's order."""

from typing import Final

BODY: Final = (
    "nose", "neck",
    "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear",
)
# Neck and limbs: what every pose estimator, motion capture and 3-D baseline has; the face is often not there.
BODY_INDICES: Final = tuple(range(BODY.index("neck"), BODY.index("left_ankle") + 1))
HIPS: Final = (BODY.index("left_hip"), BODY.index("right_hip"))
SHOULDERS: Final = (BODY.index("left_shoulder"), BODY.index("right_shoulder"))

__all__ = ["BODY", "BODY_INDICES", "HIPS", "SHOULDERS"]
