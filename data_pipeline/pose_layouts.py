"""Pose files of other programs, told apart by the structure that they declare; see KNOWN.

Readers raise ValueError with what is wrong, and whatever else bytes of unknown origin provoke (BROKEN); pose_files
names the file.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from data_pipeline import npz_files
from data_pipeline.files import one_line
from data_pipeline.pose_formats import from_mediapipe, from_openpose, from_openpose_parts, from_wholebody
from data_pipeline.unseen import mark

KNOWN: Final = (
    'our .npz; .npz of MediaPipe ("pose", "lh", "rh") or OpenPose-137 ("xy", "confidence"); .json of COCO-WholeBody (a '
    'list of frames with "instances"), MMPose ("instance_info") or DWPose (frames with "people"); a folder of '
    "OpenPose's .json files, one a frame"
)
BROKEN: Final = (ValueError, TypeError, IndexError, KeyError, OverflowError, RecursionError, MemoryError)
_BODIES: Final = (17, 133)  # joints of COCO and COCO-WholeBody
_HAND: Final = 21
_LARGEST_NUMBER: Final = 2**53  # of a frame: as float64 counts; what is larger is no count


class Found(NamedTuple):
    """frames: of each the people, marked poses (60, 3) in pixels, or in shares of the frame's width and height.
    numbers: of the frames, increasing; a frame that the file leaves out is missing here too.
    stated: what the file says of "height", "width" and "fps"."""

    frames: list[list[np.ndarray]]
    numbers: list[int]
    stated: dict[str, float]


def read_folder(path: Path) -> Found:
    """OpenPose's folder: the last number in a file's name is that of its frame."""
    files = sorted(file for file in path.iterdir() if file.suffix.lower() == ".json" and file.name[0] != ".")
    if not files:
        raise ValueError(f"a folder without .json files; known are: {KNOWN}")
    numbers = [re.findall(r"\d+", file.stem) for file in files]
    order = [int(found[-1]) for found in numbers] if all(numbers) else list(range(len(files)))
    if max(order) > _LARGEST_NUMBER:
        raise ValueError("the last number in the names of its .json files is no frame's")
    if len(set(order)) < len(order):
        raise ValueError("two of its .json files have one frame number; put each clip into a folder of its own")
    contents, frames = [], []
    for _, file in sorted(zip(order, files, strict=True)):
        try:
            contents.append(json.loads(file.read_bytes()))
            frames.append(_people(contents[-1], _openpose_person, "people"))
        except BROKEN as error:
            raise ValueError(f"{file.name}: {one_line(error)}") from error
    return Found(frames, sorted(order), _canvas(contents))


def read_json(path: Path) -> Found:
    """Any of the layouts that are one .json file, in UTF-8 (with byte order mark or without), UTF-16 or UTF-32."""
    content = json.loads(path.read_bytes())
    if isinstance(content, dict) and "instance_info" in content:
        content = content["instance_info"]
        if _all_have(content, "keypoints") and content:  # of a picture
            content = [{"instances": content}]
    elif isinstance(content, dict) and "people" in content:
        content = [content]
    if _all_have(content, "instances"):
        frames = [_people(frame, _coco_person, "instances") for frame in content]
        return Found(frames, _numbers(content), {})
    if _all_have(content, "people"):
        frames = [_people(frame, _openpose_person, "people") for frame in content]
        return Found(frames, list(range(len(frames))), _canvas(content))
    raise ValueError(f"known are: {KNOWN}")


def read_arrays(path: Path) -> Found:
    """An .npz file of MediaPipe's or OpenPose's arrays."""
    names = npz_files.names(path)
    needed = ("xy", "confidence") if "xy" in names else ("pose", "lh", "rh")
    missing = [name for name in needed if name not in names]
    if missing:
        raise ValueError(f"without {', '.join(missing)}; it holds {', '.join(names) or 'nothing'}; known are: {KNOWN}")
    arrays = npz_files.read(path, (*needed, "fps", "wh"))
    wrong = [name for name, value in arrays.items() if value.dtype.kind not in "iuf"]
    if wrong:
        raise ValueError(f"{', '.join(wrong)}: no numbers")
    if "xy" in arrays:
        _expect(arrays["xy"], "xy", (None, None, 137, 2))
        _expect(arrays["confidence"], "confidence", arrays["xy"].shape[:3])
        poses = from_openpose(mark(np.concatenate([arrays["xy"], arrays["confidence"][..., None]], axis=-1)))
    else:
        poses = _mediapipe(arrays["pose"], arrays["lh"], arrays["rh"])[:, None]
    stated = {"fps": arrays["fps"].item()} if "fps" in arrays else {}
    if "wh" in arrays:
        stated["width"], stated["height"] = arrays["wh"].tolist()
    return Found([list(people) for people in poses], list(range(len(poses))), stated)


def _mediapipe(pose: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
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


def _all_have(frames: Any, key: str) -> bool:
    return isinstance(frames, list) and all(isinstance(frame, dict) and key in frame for frame in frames)


def _numbers(frames: list[dict[str, Any]]) -> list[int]:
    """What the frames say of themselves ("frame_id"), if it increases; else they are counted."""
    numbers = [frame.get("frame_id") for frame in frames]
    whole = all(isinstance(number, int) and abs(number) < _LARGEST_NUMBER for number in numbers)
    if whole and all(a < b for a, b in zip(numbers, numbers[1:], strict=False)):
        return numbers
    return list(range(len(frames)))


def _canvas(frames: list[dict[str, Any]]) -> dict[str, float]:
    """The frame size that DWPose writes into every frame."""
    sizes = {(frame.get("canvas_height"), frame.get("canvas_width")) for frame in frames} - {(None, None)}
    if len(sizes) > 1:
        raise ValueError("its frames are of several canvas sizes; scale them to one")
    return {name: value for size in sizes for name, value in zip(("height", "width"), size, strict=True) if value}


def _people(frame: Any, person: Callable[[dict[str, Any]], np.ndarray], key: str) -> list[np.ndarray]:
    """Everyone in a frame; null stands for nobody."""
    if not isinstance(frame, dict) or not isinstance(frame.get(key, 0), list | None):
        raise ValueError(f'expected a frame with a list "{key}"; known are: {KNOWN}')
    people = frame[key] or []
    if not all(isinstance(entry, dict) for entry in people):
        raise ValueError(f'"{key}" must be a list of objects')
    return [person(entry) for entry in people]


def _coco_person(person: dict[str, Any]) -> np.ndarray:
    if not {"keypoints", "keypoint_scores"} <= person.keys():
        raise ValueError('expected instances with "keypoints" and "keypoint_scores"')
    nowhere = [None, None]
    xy = np.array([nowhere if point is None else point for point in person["keypoints"]], np.float64)
    scores = np.array(person["keypoint_scores"], np.float64)
    if xy.shape not in [(n, 2) for n in _BODIES] or scores.shape != xy.shape[:1]:
        raise ValueError(f"expected 133 or 17 keypoints with scores, got {xy.shape} and {scores.shape}")
    return from_wholebody(mark(np.concatenate([xy, scores[:, None]], axis=-1)))


def _openpose_person(person: dict[str, Any]) -> np.ndarray:
    body = _flat(person, "pose_keypoints_2d", (25, 18))
    if body is None:
        body = np.full((18, 3), (np.nan, np.nan, 0), np.float32)
    hands = (_flat(person, f"hand_{side}_keypoints_2d", (_HAND,)) for side in ("left", "right"))
    return from_openpose_parts(body, *hands)


def _flat(person: dict[str, Any], key: str, counts: tuple[int, ...]) -> np.ndarray | None:
    """x, y, score, x, ... as marked rows (n, 3), n one of `counts`; None where the list is absent, empty or null."""
    values = person.get(key)
    if not values:
        return None
    numbers = np.array(values, np.float64)
    if numbers.ndim != 1 or len(numbers) not in [3 * n for n in counts]:
        joints = " or ".join(str(n) for n in counts)
        raise ValueError(f'"{key}": expected {joints} times x, y and score, got {numbers.shape} numbers')
    return mark(numbers.reshape(-1, 3))


__all__ = ["BROKEN", "KNOWN", "Found", "read_arrays", "read_folder", "read_json"]
