"""Pose files of other programs, told apart by the structure that they declare; see KNOWN. Those in JSON; for the
others see pose_arrays.py and motions.py.

Readers raise ValueError with what is wrong, and whatever else bytes of unknown origin provoke (BROKEN); pose_files
names the file.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from data_pipeline.files import one_line
from data_pipeline.pose_formats import from_openpose_parts, from_wholebody
from data_pipeline.unseen import Tally

KNOWN: Final = (
    'our .npz; .json of COCO-WholeBody (a list of frames with "instances"), MMPose ("instance_info") or DWPose '
    '(frames with "people"); a folder of OpenPose\'s .json files, one a frame; .npz of MediaPipe ("pose", "lh", "rh"), '
    'of joints ("keypoints" and "scores", or "xy" and "confidence", as many as COCO-WholeBody 133 or 17, OpenPose-18, '
    '25, 134, 135 or 137, MediaPipe Holistic 543), of DWPose ("candidate", "subset", "hands"), or of 3-D joints '
    '("joints" of SMPL 24, SMPL-H 52 or SMPL-X 55; AMASS\'s "poses", "trans"); .npy of such joints or of DWPose; '
    ".pkl of AIST++ or DWPose; .csv of 3-D joints, 72 numbers a frame; .bvh"
)
BROKEN: Final = (ValueError, TypeError, IndexError, KeyError, OverflowError, RecursionError, MemoryError)
Mark = Callable[[np.ndarray], np.ndarray]  # as unseen.mark
_BODIES: Final = (17, 133)  # joints of COCO and COCO-WholeBody
_HAND: Final = 21
_LARGEST_NUMBER: Final = 2**53  # of a frame: as float64 counts; what is larger is no count


class Found(NamedTuple):
    """frames: of each the people, marked poses (60, 3) in pixels, or in shares of the frame's width and height.
    numbers: of the frames, increasing; a frame that the file leaves out is missing here too.
    stated: what the file says of "height", "width" and "fps".
    tally: of the scores of all people."""

    frames: list[list[np.ndarray]]
    numbers: list[int]
    stated: dict[str, float]
    tally: Tally


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
    contents, frames, tally = [], [], Tally()
    for _, file in sorted(zip(order, files, strict=True)):
        try:
            contents.append(json.loads(file.read_bytes()))
            frames.append(_people(contents[-1], _openpose_person, "people", tally.mark))
        except BROKEN as error:
            raise ValueError(f"{file.name}: {one_line(error)}") from error
    return Found(frames, sorted(order), _canvas(contents), tally)


def read_json(path: Path) -> Found:
    """Any of the layouts that are one .json file, in UTF-8 (with byte order mark or without), UTF-16 or UTF-32."""
    content, tally = json.loads(path.read_bytes()), Tally()
    if isinstance(content, dict) and "instance_info" in content:
        content = content["instance_info"]
        if _all_have(content, "keypoints") and content:  # of a picture
            content = [{"instances": content}]
    elif isinstance(content, dict) and "people" in content:
        content = [content]
    if _all_have(content, "instances"):
        frames = [_people(frame, _coco_person, "instances", tally.mark) for frame in content]
        return Found(frames, _numbers(content), {}, tally)
    if _all_have(content, "people"):
        frames = [_people(frame, _openpose_person, "people", tally.mark) for frame in content]
        return Found(frames, list(range(len(frames))), _canvas(content), tally)
    raise ValueError(f"known are: {KNOWN}")


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


def _people(frame: Any, person: Callable[[dict[str, Any], Mark], np.ndarray], key: str, mark: Mark) -> list[np.ndarray]:
    """Everyone in a frame; null stands for nobody."""
    if not isinstance(frame, dict) or not isinstance(frame.get(key, 0), list | None):
        raise ValueError(f'expected a frame with a list "{key}"; known are: {KNOWN}')
    people = frame[key] or []
    if not all(isinstance(entry, dict) for entry in people):
        raise ValueError(f'"{key}" must be a list of objects')
    return [person(entry, mark) for entry in people]


def _coco_person(person: dict[str, Any], mark: Mark) -> np.ndarray:
    if not {"keypoints", "keypoint_scores"} <= person.keys():
        raise ValueError('expected instances with "keypoints" and "keypoint_scores"')
    nowhere = [None, None]
    xy = np.array([nowhere if point is None else point for point in person["keypoints"]], np.float64)
    scores = np.array(person["keypoint_scores"], np.float64)
    if xy.shape not in [(n, 2) for n in _BODIES] or scores.shape != xy.shape[:1]:
        raise ValueError(f"expected 133 or 17 keypoints with scores, got {xy.shape} and {scores.shape}")
    return from_wholebody(mark(np.concatenate([xy, scores[:, None]], axis=-1)))


def _openpose_person(person: dict[str, Any], mark: Mark) -> np.ndarray:
    body = _flat(person, "pose_keypoints_2d", (25, 18), mark)
    if body is None:
        body = np.full((18, 3), (np.nan, np.nan, 0), np.float32)
    hands = (_flat(person, f"hand_{side}_keypoints_2d", (_HAND,), mark) for side in ("left", "right"))
    return from_openpose_parts(body, *hands)


def _flat(person: dict[str, Any], key: str, counts: tuple[int, ...], mark: Mark) -> np.ndarray | None:
    """x, y, score, x, ... as marked rows (n, 3), n one of `counts`; None where the list is absent, empty or null."""
    values = person.get(key)
    if not values:
        return None
    numbers = np.array(values, np.float64)
    if numbers.ndim != 1 or len(numbers) not in [3 * n for n in counts]:
        joints = " or ".join(str(n) for n in counts)
        raise ValueError(f'"{key}": expected {joints} times x, y and score, got {numbers.shape} numbers')
    return mark(numbers.reshape(-1, 3))


__all__ = ["BROKEN", "KNOWN", "Found", "Mark", "read_folder", "read_json"]
