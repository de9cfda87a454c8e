"""An articulated figure: body proportions, forward kinematics of the 60 joints, and how well each one is seen.

The state of the figure is a row of PARAMETERS. Angles are radians. Joints come out in the record's coordinates
(x right, y down, units of half the frame height) with depth z towards the viewer, under orthographic projection.
"""

import dataclasses
from typing import Final

import numpy as np
from scipy.ndimage import gaussian_filter1d

from data_pipeline.skeleton import INDEX, LEFT_HAND_START, NUM_JOINTS, RIGHT_HAND_START

_BODY: Final = ("x", "drop", "lean", "bend", "yaw", "head_yaw", "nod", "tilt")
_SIDE: Final = ("raise", "forward", "elbow", "reach", "wrist", "open", "spread", "step", "lift")
PARAMETERS: Final = (*_BODY, *(f"right_{name}" for name in _SIDE), *(f"left_{name}" for name in _SIDE))
PARAMETER: Final = {name: i for i, name in enumerate(PARAMETERS)}

Color = tuple[int, int, int]


@dataclasses.dataclass(frozen=True)
class Dancer:
    """Body, clothes and scene. `stature` is in units of half the frame height, the other lengths in statures."""

    stature: float
    center: float
    floor: float
    torso: float
    shoulder: float
    hip: float
    arm: float
    leg: float
    head: float
    hand: float
    girth: float
    energy: float
    skin: Color
    hair: Color
    shirt: Color
    trousers: Color
    shoes: Color
    wall: Color
    ground: Color
    decor: Color
    decor_shape: int
    decor_box: tuple[float, float, float, float]
    hair_length: float
    horizon: float


def _rotation(roll: np.ndarray, pitch: np.ndarray, yaw: np.ndarray) -> np.ndarray:
    """(F, 3, 3) for x right, y up, z to the viewer: turn by yaw, then bow by pitch, then lean to the right by roll."""
    zero, one = np.zeros_like(roll), np.ones_like(roll)

    def stack(*rows: tuple[np.ndarray, ...]) -> np.ndarray:
        return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)

    cr, sr, cp, sp, cy, sy = np.cos(roll), np.sin(roll), np.cos(pitch), np.sin(pitch), np.cos(yaw), np.sin(yaw)
    about_z = stack((cr, sr, zero), (-sr, cr, zero), (zero, zero, one))
    about_x = stack((one, zero, zero), (zero, cp, -sp), (zero, sp, cp))
    about_y = stack((cy, zero, sy), (zero, one, zero), (-sy, zero, cy))
    return about_z @ about_x @ about_y


def _direction(side: int, angle: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Unit vector at `angle` from straight down, outwards on its side, tipped by `depth` towards the viewer."""
    flat = np.cos(depth)
    return np.stack([side * np.sin(angle) * flat, -np.cos(angle) * flat, np.sin(depth)], axis=-1)


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-9)


def _leg(hip: np.ndarray, foot: np.ndarray, side: int, length: float) -> tuple[np.ndarray, np.ndarray]:
    """Knee and ankle of a two-bone leg of total `length`; the foot gives way when it is out of reach."""
    reach = np.linalg.norm(foot - hip, axis=-1, keepdims=True)
    along = _unit(foot - hip)
    distance = np.clip(reach, 0.3 * length, 0.998 * length)
    outward = np.array([0.45 * side, 0.0, 0.9])
    outward = _unit(outward - along * (along @ outward)[:, None])
    knee = hip + along * distance / 2 + outward * np.sqrt((length / 2) ** 2 - (distance / 2) ** 2)
    return knee, hip + along * distance


def _fingers(wrist: np.ndarray, along: np.ndarray, side: int, opened: np.ndarray, spread: np.ndarray, size: float):
    """(F, 21, 3) hand: the wrist, then five fingers of four joints that curl towards the viewer as the hand closes."""
    across = _unit(np.stack([-along[:, 1], along[:, 0], 0 * along[:, 0]], axis=-1) + 1e-6) * -side
    palm = np.cross(across, along) * side
    fan = np.array([-0.85, -0.28, 0.0, 0.26, 0.52])[None] * (0.45 + 0.75 * spread)[:, None]
    base = np.array([0.28, 0.5, 0.52, 0.49, 0.44]) * size
    bones = np.array([0.24, 0.16, 0.12]) * size
    ray = along[:, None] * np.cos(fan)[..., None] + across[:, None] * np.sin(fan)[..., None]
    joints = [wrist[:, None] + ray * base[None, :, None]]
    for i, bone in enumerate(bones):
        curl = ((1.0 - opened) * 0.95 * (i + 1))[:, None, None]
        joints.append(joints[-1] + bone * (ray * np.cos(curl) - palm[:, None] * np.sin(curl)))
    return np.concatenate([wrist[:, None], np.stack(joints, axis=2).reshape(len(wrist), 20, 3)], axis=1)


def pose_joints(state: np.ndarray, dancer: Dancer) -> np.ndarray:
    """(F, parameters) -> (F, 60, 3) joints x, y, z."""
    p = dict(zip(PARAMETERS, state.T, strict=True))
    frames, zero = len(state), np.zeros(len(state))
    out = np.zeros((frames, NUM_JOINTS, 3))
    rotation = _rotation(p["lean"], p["bend"], p["yaw"])
    hips_rotation = _rotation(0.3 * p["lean"], zero, 0.5 * p["yaw"])
    ankle_height = 0.035
    pelvis = np.stack([p["x"] / dancer.stature, ankle_height + dancer.leg * 0.985 - p["drop"], zero], axis=-1)
    neck = pelvis + rotation @ np.array([0.0, dancer.torso, 0.0])
    out[:, INDEX["neck"]] = neck
    for name, side, start in (("right", -1, RIGHT_HAND_START), ("left", 1, LEFT_HAND_START)):
        q = {key: p[f"{name}_{key}"] for key in _SIDE}
        hip = pelvis + hips_rotation @ np.array([side * dancer.hip, 0.0, 0.0])
        foot = np.stack([pelvis[:, 0] + side * q["step"], ankle_height + q["lift"], zero + 0.02], axis=-1)
        knee, ankle = _leg(hip, foot, side, dancer.leg)
        shoulder = neck + rotation @ np.array([side * dancer.shoulder, -0.025, 0.0])

        def limb(angle: np.ndarray, depth: np.ndarray, side: int = side) -> np.ndarray:
            return (rotation @ _direction(side, angle, depth)[..., None])[..., 0]

        elbow = shoulder + 0.53 * dancer.arm * limb(q["raise"], q["forward"])
        wrist = elbow + 0.47 * dancer.arm * limb(q["raise"] + q["elbow"], q["reach"])
        along = limb(q["raise"] + q["elbow"] + q["wrist"], q["reach"])
        for joint, value in zip(("hip", "knee", "ankle", "shoulder", "elbow", "wrist"),
                                (hip, knee, ankle, shoulder, elbow, wrist), strict=True):
            out[:, INDEX[f"{name}_{joint}"]] = value
        out[:, start : start + 21] = _fingers(wrist, along, side, q["open"], q["spread"], dancer.hand)
    turn = _rotation(0.5 * p["lean"] + p["tilt"], p["nod"], 0.5 * p["yaw"] + p["head_yaw"])
    skull = neck + turn @ np.array([0.0, 0.03 + dancer.head, 0.0])
    for joint, place in {"nose": (0, -0.15, 1), "right_eye": (-0.38, 0.18, 0.9), "left_eye": (0.38, 0.18, 0.9),
                         "right_ear": (-0.95, 0, 0), "left_ear": (0.95, 0, 0)}.items():
        out[:, INDEX[joint]] = skull + turn @ (dancer.head * np.array(place, float))
    out *= dancer.stature
    out[..., 0] += dancer.center
    out[..., 1] = dancer.floor - out[..., 1]
    return out


def _step(value: np.ndarray, width: float) -> np.ndarray:
    return 0.5 * (1.0 + np.tanh(value / width))


def confidences(joints: np.ndarray, dancer: Dancer, aspect: float) -> np.ndarray:
    """(F, 60, 3) joints -> (F, 60) confidence: what a pose detector would report, as a function of the pose alone.

    It is lowered behind the torso, on the far side of a turned head, in fists and in fast motion; 0 off the frame.
    """
    unit = dancer.stature
    score = np.full(joints.shape[:2], 0.97)
    arms = [INDEX[f"{s}_{j}"] for s in ("left", "right") for j in ("elbow", "wrist")]
    arms += range(LEFT_HAND_START, NUM_JOINTS)
    hips = (joints[:, INDEX["left_hip"]] + joints[:, INDEX["right_hip"]]) / 2
    torso = (hips + joints[:, INDEX["neck"]]) / 2
    offset = (joints[:, arms] - torso[:, None]) / unit
    inside = _step(dancer.shoulder - np.abs(offset[..., 0]), 0.02) * _step(0.17 - np.abs(offset[..., 1]), 0.02)
    score[:, arms] -= 0.75 * inside * _step(-offset[..., 2] - 0.04, 0.015)
    skull = (joints[:, INDEX["left_ear"]] + joints[:, INDEX["right_ear"]]) / 2
    for names, least in ((("left_ear", "right_ear"), -0.3), (("left_eye", "right_eye"), 0.5), (("nose",), 0.0)):
        for name in names:
            depth = (joints[:, INDEX[name], 2] - skull[:, 2]) / (unit * dancer.head)
            score[:, INDEX[name]] -= 0.75 * _step(least - depth, 0.1)
    for start in (LEFT_HAND_START, RIGHT_HAND_START):
        tips = joints[:, start + 8 : start + 21 : 4] - joints[:, start : start + 1]
        opened = np.clip(np.linalg.norm(tips, axis=-1).mean(axis=1) / (0.95 * unit * dancer.hand), 0.4, 1.0)
        score[:, start + 1 : start + 21] *= (0.75 + 0.25 * opened)[:, None]
    speed = np.linalg.norm(np.gradient(joints[..., :2], axis=0), axis=-1)
    score *= 1.0 - 0.5 * np.clip((gaussian_filter1d(speed, 1.0, axis=0) - 0.045) / 0.09, 0.0, 1.0)
    margin = np.minimum(1.0 - np.abs(joints[..., 1]), aspect - np.abs(joints[..., 0]))
    return score * np.clip(margin / 0.03, 0.0, 1.0)
