"""RTMPose, RTMW and DWPose as an estimator: a person detector and a whole-body model, ONNX files of the user's.

The files run through rtmlib. A detector (YOLOX or RTMDet) sees blue before red, the pose models red before blue, as
they were trained; rtmlib leaves that to its caller.
"""

import contextlib
import io
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np

from data_pipeline import files, unseen
from data_pipeline.people import Follower, prominence
from data_pipeline.pose_estimation import NoPersonError, outside_unsure
from data_pipeline.pose_formats import from_wholebody
from data_pipeline.skeleton import BODY_JOINTS
from data_pipeline.video_files import Frame

_JOINTS: Final = (17, 133)  # of COCO and COCO-WholeBody
_DETECTORS: Final = {"yolox": "YOLOX", "rtmdet": "RTMDet"}  # part of the file's name -> rtmlib's class
_PERSON: Final = 0  # COCO's class


class RtmEstimator:
    """One whole-body model, on the boxes of a detector or on the whole picture.

    A joint's confidence is the model's score, at most 1, and 0 outside the frame.

    Attributes:
      min_confidence: least mean confidence of the 18 body joints of a person.
      batch: crops that the pose model sees in one run, if its file leaves the number open; and frames of a video held
        at once.
    """

    name = "rtm"

    def __init__(
        self,
        pose_model: str | os.PathLike[str],
        detector: str | os.PathLike[str] | None = None,
        *,
        device: str = "cpu",
        min_confidence: float = 0.3,
        batch: int = 8,
    ):
        """pose_model: a SimCC model of 133 or 17 joints. detector: YOLOX or RTMDet, which the file's name must say;
        None takes the whole picture for one person. device: "cpu" or "cuda", as onnxruntime is installed for.

        Raises FileNotFoundError, ImportError without the extra, ValueError for a file that is no such model.
        """
        for model in filter(None, (detector, pose_model)):
            if not Path(model).is_file():  # rtmlib would take its name for a download's
                raise FileNotFoundError(f"no ONNX model at {model}")
        rtmlib = _import_rtmlib()
        self.min_confidence, self.batch = min_confidence, batch
        self._pose, (*_, height, width) = _load(rtmlib.RTMPose, pose_model, device)
        self._pose.model_input_size = width, height
        self._path, self._detector = pose_model, None
        if detector is not None:
            self._detector, (*_, height, width) = _load(getattr(rtmlib, _kind(detector)), detector, device)
            self._detector.model_input_size = height, width
        versions = [f"{name} {metadata.version(name)}" for name in ("rtmlib", "onnxruntime")]
        self.version = ", ".join((*versions, *map(files.stamp, filter(None, (detector, pose_model)))))

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        [people] = self._people([frame])
        found = self._sure(people)
        if not found:
            raise NoPersonError(max(map(_confidence, people), default=0.0), self.min_confidence)
        best = max(found, key=lambda person: prominence(person, *frame.shape[:2]))
        return unseen.fill(best[None], np.zeros(1))[0]

    def everyone(self, frame: np.ndarray) -> list[np.ndarray]:
        """With hands."""
        return self._sure(*self._people([frame]))

    def video(self, frames: Iterable[Frame]) -> Iterator[np.ndarray]:
        """Follows one person (people.Follower). Joints that are not seen are zeros."""
        frames, follower = iter(frames), None
        while some := list(itertools.islice(frames, self.batch)):
            pictures = [frame.picture for frame in some]
            follower = follower or Follower(*pictures[0].shape[:2])
            for people in self._people(pictures):
                yield np.nan_to_num(follower(self._sure(people)))

    def _sure(self, people: list[np.ndarray]) -> list[np.ndarray]:
        return [person for person in people if _confidence(person) >= self.min_confidence]

    def _people(self, pictures: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
        """Marked poses (60, 3) in each picture. The crops of all go through the pose model together."""
        boxes = [self._boxes(picture) for picture in pictures]
        crops = [self._pose.preprocess(pictures[i], box) for i, found in enumerate(boxes) for box in found]
        runs = [self._run(crops[i : i + self.batch]) for i in range(0, len(crops), self.batch)]
        rows = itertools.chain.from_iterable(runs)
        return [
            [outside_unsure(from_wholebody(next(rows)), picture) for _ in found]
            for picture, found in zip(pictures, boxes, strict=True)
        ]

    def _boxes(self, picture: np.ndarray) -> np.ndarray:
        """(P, 4) x0, y0, x1, y1 pixels of people."""
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            raise ValueError(f"a frame must be (H, W, 3) uint8, got {picture.shape} {picture.dtype}")
        if self._detector is None:
            return np.array([[0, 0, picture.shape[1], picture.shape[0]]], np.float32)
        seen, ratio = self._detector.preprocess(np.ascontiguousarray(picture[..., ::-1]))
        found, *labels = self._detector.inference(seen)
        if found.ndim != 3 or found.shape[-1] < 5:
            raise ValueError(f"{self._detector.onnx_model}: gives {found.shape}; expected (1, any, 5 or more) boxes")
        if found.shape[-1] == 5:  # suppression is part of the file, and labels come beside the boxes, if at all
            people = labels[0][0] == _PERSON if labels else slice(None)
            self._detector.det_mode = "human"
            boxes = self._detector.postprocess(found[:, people], ratio)
        else:
            self._detector.det_mode = "multiclass"
            boxes, classes = self._detector.postprocess(found, ratio)
            boxes = boxes[classes == _PERSON]
        boxes = np.reshape(boxes, (-1, 4))
        return boxes[np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)]

    def _run(self, crops: list[tuple[np.ndarray, ...]]) -> np.ndarray:
        """Marked joints (n, 133 or 17, 3) in pixels of the picture, of what RTMPose.preprocess gives of each crop."""
        pictures, centres, scales = map(np.stack, zip(*crops, strict=True))
        pictures = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), np.float32)
        session = self._pose.session
        entry = session.get_inputs()[0]
        step = 1 if isinstance(entry.shape[0], int) else len(pictures)
        runs = [session.run(None, {entry.name: pictures[i : i + step]}) for i in range(0, len(pictures), step)]
        outputs = [np.concatenate(parts) for parts in zip(*runs, strict=True)]
        if len(outputs) != 2 or any(out.ndim != 3 or out.shape[1] not in _JOINTS for out in outputs):
            shapes = ", ".join(str(out.shape) for out in outputs)
            raise ValueError(f"{self._path}: gives {shapes}; expected SimCC's x and y of 133 or 17 joints")
        ratio = outputs[0].shape[2] / self._pose.model_input_size[0]
        xy, scores = self._pose.postprocess(outputs, centres[:, None], scales[:, None], ratio)
        xy[scores <= 0] = np.nan
        return unseen.mark(np.concatenate([xy, scores[..., None]], axis=-1))


def _confidence(person: np.ndarray) -> float:
    return float(person[: len(BODY_JOINTS), 2].mean())


def _kind(detector: str | os.PathLike[str]) -> str:
    name = Path(detector).name.lower()
    kinds = [kind for part, kind in _DETECTORS.items() if part in name]
    if len(kinds) != 1:
        raise ValueError(f"{detector}: its name says neither yolox nor rtmdet, whose pictures differ; rename it so")
    return kinds[0]


def _load(kind: Any, path: str | os.PathLike[str], device: str) -> tuple[Any, list[int]]:
    """rtmlib's tool and the shape of its input."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    broken = (state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf, state.NotImplemented)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints what it loads
            tool = kind(str(path), backend="onnxruntime", device=device)
    except (*broken, RuntimeError) as error:
        raise ValueError(f"{path}: no ONNX model that runs here ({files.one_line(error)})") from error
    shape = tool.session.get_inputs()[0].shape
    if len(shape) != 4 or shape[1] != 3 or not all(isinstance(n, int) for n in shape[2:]):
        raise ValueError(f"{path}: takes {shape}; expected [any, 3, HEIGHT, WIDTH] of a fixed size")
    return tool, shape


def _import_rtmlib() -> Any:
    try:
        import onnxruntime  # noqa: F401
        import rtmlib
    except ImportError as error:
        raise ImportError(f"RTM models need the extra rtm: pip install xdancer_jax[rtm] ({error})") from error
    return rtmlib


__all__ = ["RtmEstimator"]
