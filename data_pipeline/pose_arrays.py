"""Poses of other programs that lie in arrays: .npz, .npy and .pkl files, told apart by names and by how many joints
there are; see pose_layouts.KNOWN."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from data_pipeline import dwpose, holistic, motions, npz_files, openpose_arrays, safe_pickle
from data_pipeline.motions import Motion
from data_pipeline.pose_formats import from_mediapipe, from_wholebody
from data_pipeline.pose_layouts import KNOWN, Found, Mark
from data_pipeline.unseen import Tally

_WHOLEBODY: Final = (17, 133)
COUNTS: Final = (*_WHOLEBODY, *openpose_arrays.COUNTS, *holistic.COUNTS)
# names of coordinates and scores that lie together
_JOINTS: Final = {"xy": "confidence", "keypoints": "scores"}
_AIST: Final = {"height": 1080, "width": 1920, "fps": 60}
_STATED: Final = ("fps", "height", "width")
_HAND: Final = 21


def read_npz(path: Path) -> Found | Motion:
    """An .npz file of MediaPipe's, OpenPose's or DWPose's arrays, of joints by their number, or of a motion."""
    names = npz_files.names(path)
    if motions.are_in(names):
        return motions.of_mapping(npz_files.read(path, motions.NAMES))
    found = next((name for name in _JOINTS if name in names), None)
    if found:
        needed = wanted = (found, _JOINTS[found])
    elif "candidate" in names or "bodies" in names:
        needed, wanted = ("hands",), dwpose.ARRAYS
    else:
        needed = wanted = ("pose", "lh", "rh")
    missing = [name for name in needed if name not in names and name != "scores"]
    if missing:
        raise ValueError(f"without {', '.join(missing)}; it holds {', '.join(names) or 'nothing'}; known are: {KNOWN}")
    arrays = npz_files.read(path, (*wanted, *_STATED, "wh"))
    wrong = [name for name, value in arrays.items() if value.dtype.kind not in "iuf"]
    if wrong:
        raise ValueError(f"{', '.join(wrong)}: no numbers")
    stated, tally = _stated(arrays), Tally()
    if found:
        frames = _by_count(arrays[found], arrays.get(_JOINTS[found]), found, tally.mark)
    elif wanted == dwpose.ARRAYS:
        frames = _dwpose_arrays(arrays, tally.mark)
    else:
        frames = [[pose] for pose in _mediapipe(arrays["pose"], arrays["lh"], arrays["rh"], tally.mark)]
    return Found(frames, list(range(len(frames))), stated, tally)


def read_npy(path: Path) -> Found | Motion:
    """An .npy file of joints, or of what DWPose's tools save; as of_object."""
    try:
        return of_object(npz_files.read_npy(path, safe_pickle.loads))
    except safe_pickle.RefusedError as error:
        raise safe_pickle.RefusedError(f"{path}: not a pickle of plain data ({error})") from error


def read_pickle(path: Path) -> Found | Motion:
    """A pickle of AIST++ or of what DWPose's tools save; as of_object."""
    return of_object(safe_pickle.load(path))


def of_object(content: Any) -> Found | Motion:
    """What an .npy or .pkl file holds. In the plane: joints by their number (F, N, C) or (F, people, N, C), Holistic's
    flat rows (F, 1662), a dict of "keypoints" and "scores", AIST++'s "keypoints2d", or DWPose's dict of a frame, or a
    list of these. In space: see motions. Raises ValueError for what is none of these."""
    tally, stated = Tally(), {}
    if isinstance(content, Mapping) and motions.are_in(content):
        return motions.of_mapping(content)
    if isinstance(content, np.ndarray) and motions.is_one(content):
        return motions.of_mapping({"joints": content})
    if isinstance(content, Mapping) and "keypoints2d" in content:
        frames, stated = _aist(np.asarray(content["keypoints2d"]), tally.mark), dict(_AIST)
    elif isinstance(content, Mapping) and "keypoints" in content:
        scores = content.get("scores")
        scores = scores if scores is None else np.asarray(scores)
        frames = _by_count(np.asarray(content["keypoints"]), scores, "keypoints", tally.mark)
    elif isinstance(content, np.ndarray):
        frames = _by_count(content, None, "the array", tally.mark)
    else:
        frames = [content] if isinstance(content, Mapping) else content
        if not isinstance(frames, Sequence) or not all(isinstance(f, Mapping) and "bodies" in f for f in frames):
            raise ValueError(f"known are: {KNOWN}")
        frames = [dwpose.people_of(frame, tally.mark) for frame in frames]
    return Found(frames, list(range(len(frames))), stated, tally)


def _aist(keypoints: np.ndarray, mark: Mark) -> list[list[np.ndarray]]:
    """AIST++'s (9 cameras, F, 17, 3), as the first camera sees him, which stands in front."""
    _expect(keypoints, "keypoints2d", (9, None, 17, 3))
    return _by_count(keypoints[0], None, "keypoints2d", mark)


def _by_count(joints: np.ndarray, scores: np.ndarray | None, name: str, mark: Mark) -> list[list[np.ndarray]]:
    """Of each frame the people, (60, 3), of joints (F, N, C) or (F, people, N, C), scores (F, N) or (F, people, N)."""
    if joints.dtype.kind not in "iuf":
        raise ValueError(f"{name}: no numbers")
    if joints.ndim == 2 and joints.shape[-1] == holistic.FLAT:
        joints = holistic.unflatten(joints)
    if joints.ndim not in (3, 4) or joints.shape[-2] not in COUNTS or not 2 <= joints.shape[-1] <= 5:
        counts = ", ".join(map(str, COUNTS))
        raise ValueError(f"{name}: expected (any, any, N, 2) with N one of {counts}, got {joints.shape}")
    joints = joints[:, None] if joints.ndim == 3 else joints
    if scores is not None:
        scores = scores[:, None] if scores.ndim == 2 else scores
        _expect(scores, _JOINTS.get(name, "scores"), joints.shape[:3])
        rows = np.concatenate([joints[..., :2], scores[..., None]], axis=-1)
    elif joints.shape[2] in holistic.COUNTS:
        rows = holistic.scored(joints)
    elif joints.shape[-1] == 3:
        rows = joints
    else:
        raise ValueError(f"{name}: {joints.shape} without scores; give (any, any, {joints.shape[2]}, 3)")
    if rows.shape[2] in holistic.COUNTS:
        return list(map(list, holistic.from_holistic(rows, mark)))
    convert = from_wholebody if rows.shape[2] in _WHOLEBODY else openpose_arrays.from_openpose
    return list(map(list, convert(mark(rows))))


def _dwpose_arrays(arrays: dict[str, np.ndarray], mark: Mark) -> list[list[np.ndarray]]:
    arrays = {name: value for name, value in arrays.items() if name in dwpose.ARRAYS}
    counts = {len(value) for value in arrays.values()}
    if len(counts) > 1:
        raise ValueError(f"{', '.join(arrays)}: of {', '.join(map(str, sorted(counts)))} frames; they must be alike")
    return [dwpose.people_of({name: value[i] for name, value in arrays.items()}, mark) for i in range(*counts)]


def _stated(arrays: dict[str, np.ndarray]) -> dict[str, float]:
    stated = {name: arrays.pop(name).item() for name in _STATED if name in arrays}
    if "wh" in arrays:
        stated["width"], stated["height"] = arrays.pop("wh").tolist()
    return stated


def _mediapipe(pose: np.ndarray, left: np.ndarray, right: np.ndarray, mark: Mark) -> np.ndarray:
    _expect(pose[..., :4], "pose", (None, 33, 4))
    for name, hand in (("lh", left), ("rh", right)):
        _expect(hand, name, (len(pose), _HAND, 3))
    score = pose[..., 2:3] * pose[..., 3:4]
    body = mark(np.concatenate([pose[..., :2], score], axis=-1))
    body = np.concatenate([body, np.ones_like(body[..., :1])], axis=-1)
    return from_mediapipe(body, mark(left), mark(right))


def _expect(array: np.ndarray, name: str, shape: tuple[int | None, ...]) -> None:
    if array.ndim != len(shape) or any(n not in (None, m) for n, m in zip(shape, array.shape, strict=True)):
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(f"{name}: expected ({wanted}), got {array.shape}")


__all__ = ["COUNTS", "of_object", "read_npy", "read_npz", "read_pickle"]
