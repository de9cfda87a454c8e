"""SMPL, SMPL-H and SMPL-X joints to ours, and where SMPL's joints lie by its rotations.

No body model is needed: the skeleton is the mean one that EDGE uses, so bodies of other shapes get its bone lengths,
and heads and hands, which the model's mesh shows, stay unseen where a file does not give them as joints.
"""

from typing import Final

import numpy as np
from scipy.spatial.transform import Rotation

from data_pipeline.skeleton import INDEX, NUM_JOINTS

BODY: Final = {
    "right_shoulder": 17, "right_elbow": 19, "right_wrist": 21, "left_shoulder": 16, "left_elbow": 18,
    "left_wrist": 20, "right_hip": 2, "right_knee": 5, "right_ankle": 8, "left_hip": 1, "left_knee": 4,
    "left_ankle": 7,
}  # fmt: skip
# The kinematic joints of SMPL without and with hand stubs, SMPL-H and SMPL-X -> where their hands begin, if they have
# fingers: three joints each of index, middle, little, ring and thumb; the left hand, then the right one.
_HANDS: Final = {22: None, 24: None, 52: 22, 55: 25}
_FINGERS: Final = ("index", "middle", "little", "ring", "thumb")
_TIPS: Final = ("thumb", "index", "middle", "ring", "little")
_HEAD: Final = ("nose", "right_eye", "left_eye", "right_ear", "left_ear")
_FEET: Final = 6
_ON_MESH: Final = len(_HEAD) + _FEET + 2 * len(_TIPS)  # joints that the package smplx adds after the kinematic ones
# how many joints a file gives -> how many of them are kinematic; SMPL-X's face points come last
_KINEMATIC: Final = {
    **{count: count for count in _HANDS},
    **{count + _ON_MESH: count for count in _HANDS if count != 22},
    127: 55, 144: 55,
}  # fmt: skip
COUNTS: Final = tuple(_KINEMATIC)

_PARENTS: Final = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
_OFFSETS: Final = np.array((  # metres from the parent; y up, the rest pose faces z, left is x
    (0, 0, 0), (0.05858135, -0.08228004, -0.01766408), (-0.06030973, -0.09051332, -0.01354254),
    (0.00443945, 0.12440352, -0.03838522), (0.04345142, -0.38646945, 0.008037),
    (-0.04325663, -0.38368791, -0.00484304), (0.00448844, 0.1379564, 0.02682033),
    (-0.01479032, -0.42687458, -0.037428), (0.01905555, -0.4200455, -0.03456167),
    (-0.00226458, 0.05603239, 0.00285505), (0.04105436, -0.06028581, 0.12204243),
    (-0.03483987, -0.06210566, 0.13032329), (-0.0133902, 0.21163553, -0.03346758),
    (0.07170245, 0.11399969, -0.01889817), (-0.08295366, 0.11247234, -0.02370739),
    (0.01011321, 0.08893734, 0.05040987), (0.12292141, 0.04520509, -0.019046),
    (-0.11322832, 0.04685326, -0.00847207), (0.2553319, -0.01564902, -0.02294649),
    (-0.26012748, -0.01436928, -0.03126873), (0.26570925, 0.01269811, -0.00737473),
    (-0.26910836, 0.00679372, -0.00602676), (0.08669055, -0.01063603, -0.01559429),
    (-0.0887537, -0.00865157, -0.01010708),
))  # fmt: skip


def from_smpl(joints: np.ndarray) -> np.ndarray:
    """Joints (F, N, 3), N one of COUNTS, to (F, 60, 3); NaN where the source has none."""
    kinematic = _KINEMATIC[joints.shape[1]]
    return from_named(joints, BODY | _of_hands(kinematic) | _on_mesh(kinematic, joints.shape[1]))


def from_named(joints: np.ndarray, indices: dict[str, int]) -> np.ndarray:
    """Joints (F, N, 3) by the names of skeleton.py, to (F, 60, 3); NaN for names that are missing. The neck is the
    middle of the shoulders, as in all our poses."""
    ours = np.full((len(joints), NUM_JOINTS, 3), np.nan)
    for name, index in indices.items():
        ours[:, INDEX[name]] = joints[:, index]
    ours[:, INDEX["neck"]] = (ours[:, INDEX["left_shoulder"]] + ours[:, INDEX["right_shoulder"]]) / 2
    return ours


def positions(rotations: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """Joints (F, N, 3) in metres of axis-angle rotations (F, N, 3), N at most 24, and the pelvis's (F, 3)."""
    turned, places = [], []
    for joint, parent in enumerate(_PARENTS[: rotations.shape[1]]):
        local = Rotation.from_rotvec(rotations[:, joint])
        turned.append(local if parent < 0 else turned[parent] * local)
        places.append(translation if parent < 0 else places[parent] + turned[parent].apply(_OFFSETS[joint]))
    return np.stack(places, axis=1)


def _of_hands(kinematic: int) -> dict[str, int]:
    start, found = _HANDS[kinematic], {}
    if start is None:
        return found
    for side, first in (("left", start), ("right", start + 15)):
        found[f"{side}_hand_wrist"] = BODY[f"{side}_wrist"]
        for i, finger in enumerate(_FINGERS):
            found |= {f"{side}_hand_{finger}_{k + 1}": first + 3 * i + k for k in range(3)}
    return found


def _on_mesh(kinematic: int, count: int) -> dict[str, int]:
    """Joints on the head and, where there are fingers, their tips."""
    if count < kinematic + _ON_MESH:
        return {}
    found = {name: kinematic + i for i, name in enumerate(_HEAD)}
    if _HANDS[kinematic] is not None:
        first = kinematic + len(_HEAD) + _FEET
        for side, tip in (("left", first), ("right", first + len(_TIPS))):
            found |= {f"{side}_hand_{finger}_4": tip + i for i, finger in enumerate(_TIPS)}
    return found


__all__ = ["BODY", "COUNTS", "from_named", "from_smpl", "positions"]
