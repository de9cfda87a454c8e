"""Other pose layouts to our 60 joints (skeleton.py): MediaPipe 33 + hands, COCO-WholeBody-133, OpenPose 137."""

import json
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any, Final, NamedTuple

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
# BODY_25 is our body with the middle of the hips at 8; 70 face points lie before the hands.
_BODY25: Final = (*range(8), *range(9, 19))
_OPENPOSE_LEFT, _OPENPOSE_RIGHT = 95, 116


class UnstatedError(ValueError):
    """A pose file that does not say of what frame size or rate it is."""

    def __init__(self, path: Path, lacking: str):
        super().__init__(
            f"{path}: does not state its {lacking}, which launch.generate needs; "
            "only preparing a data set takes it, as FILE:HEIGHTxWIDTH:FPS"
        )
        self.lacking = lacking


class Clip(NamedTuple):
    """Poses (F, 60, 3) in pixels of a height x width frame, and frames per second; a dance's tokens (F, ...)."""

    poses: np.ndarray
    height: int
    width: int
    fps: float
    tokens: np.ndarray | None = None


def from_mediapipe(pose: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """MediaPipe landmarks to (..., 60, 3) pixels.

    Args:
        pose: (..., 33, >=4) x, y in pixels, visibility, presence. Confidence is visibility * presence.
        left, right: (..., 21, 3) x, y in pixels, score of the dancer's own left and right hand.
    """
    pose = np.concatenate([pose[..., :2], pose[..., 2:3] * pose[..., 3:4]], axis=-1)
    return _assemble(_body(pose, MEDIAPIPE_BODY), left, right)


def from_wholebody(keypoints: np.ndarray) -> np.ndarray:
    """COCO-WholeBody (..., 133, 3), as DWPose and RTMW give it, to (..., 60, 3); scores are clipped to [0, 1]."""
    left = keypoints[..., _WHOLEBODY_LEFT : _WHOLEBODY_LEFT + _HANDS, :]
    right = keypoints[..., _WHOLEBODY_RIGHT : _WHOLEBODY_RIGHT + _HANDS, :]
    return _assemble(_body(keypoints, COCO_BODY), left, right)


def from_openpose(keypoints: np.ndarray) -> np.ndarray:
    """OpenPose BODY_25 + face 70 + hands, (..., 137, 3), to (..., 60, 3); scores are clipped to [0, 1]."""
    left = keypoints[..., _OPENPOSE_LEFT : _OPENPOSE_LEFT + _HANDS, :]
    right = keypoints[..., _OPENPOSE_RIGHT : _OPENPOSE_RIGHT + _HANDS, :]
    return _assemble(keypoints[..., _BODY25, :], left, right)


def _body(source: np.ndarray, indices: dict[str, int]) -> np.ndarray:
    body = np.zeros((*source.shape[:-2], len(BODY_JOINTS), 3), np.float32)
    for name, index in indices.items():
        body[..., INDEX[name], :] = source[..., index, :]
    left, right = body[..., INDEX["left_shoulder"], :], body[..., INDEX["right_shoulder"], :]
    body[..., INDEX["neck"], :2] = (left[..., :2] + right[..., :2]) / 2
    body[..., INDEX["neck"], 2] = np.minimum(left[..., 2], right[..., 2])
    return body


def _assemble(body: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    poses = np.empty((*body.shape[:-2], NUM_JOINTS, 3), np.float32)
    poses[..., :LEFT_HAND_START, :] = body
    poses[..., LEFT_HAND_START:RIGHT_HAND_START, :] = left
    poses[..., RIGHT_HAND_START:, :] = right
    poses[..., 2] = np.clip(poses[..., 2], 0, 1)
    return poses


def read_poses(
    path: str | os.PathLike, height: int | None = None, width: int | None = None, fps: float | None = None
) -> Clip:
    """Reads a pose file by what it holds: .npz of MediaPipe ("pose", "lh", "rh") or OpenPose-137 ("xy",
    "confidence"), .json of COCO-WholeBody-133 (a list of frames with "instances").

    `height`, `width` and `fps` stand in for what the file does not state. Of several people
    the one with the best score is taken; a frame without any is all zeros.

    Raises:
        FileNotFoundError, ValueError: no such file, an unknown layout, or no frame size or rate to be had.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        poses, stated = _read(path)
    except (ValueError, TypeError, IndexError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path}: not a pose file of a known layout ({str(error).splitlines()[0]})") from error
    if len(poses) == 0 or not np.isfinite(poses).all():
        raise ValueError(f"{path}: holds no frames, or NaN coordinates")
    given = {"height": height, "width": width, "fps": fps}
    known = given | stated
    lacking = [name for name, value in known.items() if not value]
    if lacking:
        raise UnstatedError(path, ", ".join(lacking))
    return Clip(poses, int(known["height"]), int(known["width"]), float(known["fps"]))


def _read(path: Path) -> tuple[np.ndarray, dict[str, float]]:
    """Poses (F, 60, 3), and what the file states of them. Raises ValueError and whatever its bytes provoke."""
    if path.suffix == ".json":
        return _wholebody(json.loads(path.read_text())), {}
    if path.suffix != ".npz":
        raise ValueError("expected .npz or .json")
    if not zipfile.is_zipfile(path):  # numpy would call it a pickle and tell how to load it all the same
        raise ValueError("no zip archive, as .npz files are")
    with np.load(path, allow_pickle=False) as data:
        return _arrays(data), _stated(data)


def _arrays(data: Any) -> np.ndarray:
    needed = ("xy", "confidence") if "xy" in data else ("pose", "lh", "rh")
    missing = [name for name in needed if name not in data]
    if missing:
        raise ValueError(f"without {', '.join(missing)}; it holds {', '.join(data) or 'nothing'}")
    if "xy" in data:
        best = data["confidence"].mean(axis=-1).argmax(axis=-1)  # of the people of each frame
        keypoints = np.concatenate([data["xy"], data["confidence"][..., None]], axis=-1)
        return from_openpose(keypoints[np.arange(len(best)), best])
    return from_mediapipe(data["pose"], data["lh"], data["rh"])


def _stated(data: Any) -> dict[str, float]:
    stated = {"fps": float(data["fps"])} if "fps" in data else {}
    if "wh" in data:
        stated["width"], stated["height"] = (int(v) for v in data["wh"])
    return stated


def _wholebody(frames: Any) -> np.ndarray:
    if not isinstance(frames, list) or not all(isinstance(frame, dict) and "instances" in frame for frame in frames):
        raise ValueError('expected a list of frames, each with "instances"')
    keypoints = np.zeros((len(frames), 133, 3), np.float32)
    for row, frame in zip(keypoints, frames, strict=True):
        people = frame["instances"]
        if not all(isinstance(person, dict) and {"keypoints", "keypoint_scores"} <= person.keys() for person in people):
            raise ValueError('expected instances with "keypoints" and "keypoint_scores"')
        if people:
            person = max(people, key=lambda instance: np.mean(instance["keypoint_scores"]))
            xy, scores = np.asarray(person["keypoints"], np.float32), np.asarray(person["keypoint_scores"], np.float32)
            if xy.shape != (133, 2) or scores.shape != (133,):
                raise ValueError(f"expected 133 keypoints with scores, got {xy.shape} and {scores.shape}")
            row[:, :2], row[:, 2] = xy, scores
    return from_wholebody(keypoints)
