"""The 60 joints of a pose, the 5 parts they fall into, and how they are joined.

Layout (the OpenPose-18 body followed by two OpenPose hands, as DWPose gives it):
0-17 body, 18-38 left hand, 39-59 right hand. Left and right are the dancer's own.
"""

from typing import Final

BODY_JOINTS: Final = (
    "nose", "neck",
    "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear",
)
_FINGERS: Final = ("thumb", "index", "middle", "ring", "little")
HAND_JOINTS: Final = ("wrist", *(f"{finger}_{i}" for finger in _FINGERS for i in range(1, 5)))

LEFT_HAND_START: Final = len(BODY_JOINTS)
RIGHT_HAND_START: Final = LEFT_HAND_START + len(HAND_JOINTS)
JOINTS: Final = (
    *BODY_JOINTS,
    *(f"left_hand_{name}" for name in HAND_JOINTS),
    *(f"right_hand_{name}" for name in HAND_JOINTS),
)
NUM_JOINTS: Final = len(JOINTS)
INDEX: Final = {name: i for i, name in enumerate(JOINTS)}


def _indices(*names: str) -> tuple[int, ...]:
    return tuple(sorted(INDEX[name] for name in names))


# Order of the parts in a token sequence (paper, section 3.3). Which body joint falls into which part is ours (open).
PARTS: Final = {
    "upper_body": _indices(
        "neck", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist"
    ),
    "lower_body": _indices("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"),
    "head": _indices("nose", "left_eye", "right_eye", "left_ear", "right_ear"),
    "left_hand": tuple(range(LEFT_HAND_START, RIGHT_HAND_START)),
    "right_hand": tuple(range(RIGHT_HAND_START, NUM_JOINTS)),
}

_BODY_LIMBS: Final = (
    ("neck", "right_shoulder"), ("neck", "left_shoulder"), ("right_shoulder", "right_elbow"),
    ("right_elbow", "right_wrist"), ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"),
    ("neck", "right_hip"), ("right_hip", "right_knee"), ("right_knee", "right_ankle"), ("neck", "left_hip"),
    ("left_hip", "left_knee"), ("left_knee", "left_ankle"), ("neck", "nose"), ("nose", "right_eye"),
    ("right_eye", "right_ear"), ("nose", "left_eye"), ("left_eye", "left_ear"),
)
BODY_LIMBS: Final = tuple((INDEX[a], INDEX[b]) for a, b in _BODY_LIMBS)


def _hand_limbs(start: int) -> tuple[tuple[int, int], ...]:
    """Each finger is a chain of four joints that starts at the wrist of its hand."""
    limbs = []
    for finger in range(len(_FINGERS)):
        first = start + 1 + 4 * finger
        limbs += [(start, first), (first, first + 1), (first + 1, first + 2), (first + 2, first + 3)]
    return tuple(limbs)


HAND_LIMBS: Final = (*_hand_limbs(LEFT_HAND_START), *_hand_limbs(RIGHT_HAND_START))
LIMBS: Final = (*BODY_LIMBS, *HAND_LIMBS)

# Pairs (left, right) that a mirror image exchanges.
MIRROR_PAIRS: Final = tuple((INDEX[name], INDEX["right" + name[4:]]) for name in JOINTS if name.startswith("left"))
