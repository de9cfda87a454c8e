"""From pictures to poses: the estimator protocol and its default, MediaPipe's body and hand landmarkers.

A pose here is (60, 3) float32 in the layout of skeleton.py: x and y in pixels (x right, y down, the origin
at the frame's top left corner), confidence in [0, 1]. Left and right are the dancer's own.
"""

import contextlib
import os
import sys
import weakref
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from PIL import Image

from data_pipeline import files
from data_pipeline.hand_matching import arm, palm_distance, same_hand
from data_pipeline.image_files import read_image
from data_pipeline.pose_formats import MEDIAPIPE_BODY, from_mediapipe
from data_pipeline.skeleton import HAND_JOINTS, NUM_JOINTS
from data_pipeline.unseen import mark
from data_pipeline.video_files import Frame

_SIDES: Final = ("left", "right")
_HAND_INPUT: Final = 256  # side in pixels of the crop given to the hand landmarker, whose own input is 192
# Palms of hand and body agree to 0.1 arm lengths (hand_matching.arm) where a hand is right; farther apart than this,
# most are fabric or the other hand.
_REACH: Final = 0.3
_MOST_PEOPLE: Final = 4  # looked for in one picture; who counts people needs to know of a second


class NoPersonError(ValueError):
    """No person in a picture. `confidence` is the best one found (0 where nothing at all was), `threshold` the least
    that would have done, `where` names the picture."""

    def __init__(self, confidence: float, threshold: float, where: str = "the picture"):
        self.confidence, self.threshold, self.where = confidence, threshold, where
        super().__init__(
            f"no person found in {where} (best confidence {confidence:.2f} < {threshold:g}); "
            "take a picture that shows the whole body, or give the pose itself"
        )


class PoseEstimator(Protocol):
    """What generation and data preparation need of a pose estimator.

    Attributes:
      name, version: which one it is, and the versions of its library and weights, for whoever records where poses come
        from.
    """

    name: str
    version: str

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """The pose (60, 3) of the most prominent person in `frame` (H, W, 3) uint8 RGB. Raises NoPersonError."""
        ...

    def video(self, frames: Iterable[Frame]) -> Iterator[np.ndarray]:
        """One pose (60, 3) per frame, in order. A frame without a person gives a pose of zeros, so time is kept."""
        ...

    def everyone(self, frame: np.ndarray) -> list[np.ndarray]:
        """Marked poses (60, 3) of all people in one picture, in no order; hands may be left unseen. Who counts people
        asks this of some frames a second."""
        ...


class MediaPipeEstimator:
    """MediaPipe's PoseLandmarker for the body and its HandLandmarker on an enlarged crop around each wrist.

    A joint's confidence is MediaPipe's visibility * presence, and 0 outside the frame. A hand goes to the dancer's left
    or right by the nearest palm of the body, not by the reported handedness, which mirroring flips; its confidence is
    the hand's score. A hand that is not found has confidence 0 and lies at its wrist.

    Attributes:
      min_confidence: least detector and presence score of a person.
      min_hand_confidence: the same for a hand.
      hand_crops: sides of the crops tried in turn for a hand, in arm lengths (see hand_matching.arm).
      close: frees the models; also happens when the estimator is collected.
    """

    name = "mediapipe"

    def __init__(
        self,
        pose_task: str | os.PathLike[str],
        hand_task: str | os.PathLike[str],
        *,
        min_confidence: float = 0.5,
        min_hand_confidence: float = 0.5,
        hand_crops: tuple[float, ...] = (1.5, 2.2),
    ):
        for task in (pose_task, hand_task):
            if not Path(task).is_file():
                raise FileNotFoundError(f"no model bundle at {task}")
        self._vision = _import_mediapipe()
        self._pose_task, self._hand_task = str(pose_task), str(hand_task)
        self.version = f"mediapipe {metadata.version('mediapipe')}, {files.stamp(pose_task)}, {files.stamp(hand_task)}"
        self.min_confidence, self.min_hand_confidence = min_confidence, min_hand_confidence
        self.hand_crops = hand_crops
        try:
            self._images = self._landmarker(self.min_confidence)
            self._crowds = self._landmarker(self.min_confidence, people=_MOST_PEOPLE)
            self._hands = self._hand_landmarker()
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"{pose_task} or {hand_task} is no model bundle of MediaPipe ({reason})") from error
        self.close = weakref.finalize(self, _close, self._images, self._crowds, self._hands)

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        image = _mediapipe_image(frame)
        with _quiet():
            found = self._images.detect(image)
        if not found.pose_landmarks:
            raise NoPersonError(self._best_confidence(image), self.min_confidence)
        return self._pose(frame, _body(found.pose_landmarks[0], frame))

    def everyone(self, frame: np.ndarray) -> list[np.ndarray]:
        """Of up to 4 people the bodies; hands are left unseen."""
        with _quiet():
            found = self._crowds.detect(_mediapipe_image(frame))
        nothing = np.array((np.nan, np.nan, 0), np.float32)
        bodies = [_body(person, frame) for person in found.pose_landmarks]
        return [mark(outside_unsure(from_mediapipe(body, nothing, nothing), frame)) for body in bodies]

    def video(self, frames: Iterable[Frame]) -> Iterator[np.ndarray]:
        """Tracks and smooths the body over time (MediaPipe's video mode); hands are found frame by frame."""
        landmarker, clock = self._landmarker(self.min_confidence, video=True), -1
        try:
            for seconds, frame in frames:
                clock = max(clock + 1, round(1000 * seconds))  # MediaPipe wants whole milliseconds that increase
                with _quiet():
                    found = landmarker.detect_for_video(_mediapipe_image(frame), clock)
                if found.pose_landmarks:
                    yield self._pose(frame, _body(found.pose_landmarks[0], frame))
                else:
                    yield np.zeros((NUM_JOINTS, 3), np.float32)
        finally:
            with _quiet():
                landmarker.close()

    def _pose(self, frame: np.ndarray, body: np.ndarray) -> np.ndarray:
        """Body landmarks (33, 4) and the hands found around its wrists -> (60, 3)."""
        hands = self._find_hands(frame, body)
        for side, hand in hands.items():
            if hand is None:
                wrist = (*body[MEDIAPIPE_BODY[f"{side}_wrist"], :2], 0)
                hands[side] = np.tile(np.float32(wrist), (len(HAND_JOINTS), 1))
        return outside_unsure(from_mediapipe(body, hands["left"], hands["right"]), frame)

    def _find_hands(self, frame: np.ndarray, body: np.ndarray) -> dict[str, np.ndarray | None]:
        """Each side's hand (21, 3) or None. Every hand seen in either wrist's crop is a candidate for both sides; the
        closest pairs of hand and body palm are taken first, and one hand is never given to both sides."""
        found = [hand for side in _SIDES for hand in self._hands_near(frame, body, side)]
        pairs = [(palm_distance(hand, body, owner), owner, hand) for hand in found for owner in _SIDES]
        hands: dict[str, np.ndarray | None] = dict.fromkeys(_SIDES)
        for distance, owner, hand in sorted(pairs, key=lambda pair: pair[0]):
            other = hands["left" if owner == "right" else "right"]
            taken = other is not None and same_hand(hand, other)
            if distance < _REACH and hands[owner] is None and not taken:
                hands[owner] = hand
        return hands

    def _hands_near(self, frame: np.ndarray, body: np.ndarray, side: str) -> list[np.ndarray]:
        """Hands (21, 3) in the first crop around the wrist of `side` that shows one near a palm of the body."""
        wrist, elbow = (body[MEDIAPIPE_BODY[f"{side}_{joint}"], :2] for joint in ("wrist", "elbow"))
        centre = wrist + 0.3 * (wrist - elbow)  # a hand lies past its wrist
        for crop in self.hand_crops:
            side_px = max(int(crop * arm(body, side)), 8)
            x, y = (int(round(c - side_px / 2)) for c in centre)
            if x >= frame.shape[1] or y >= frame.shape[0] or x + side_px <= 0 or y + side_px <= 0:
                continue
            picture = Image.fromarray(frame).crop((x, y, x + side_px, y + side_px))
            picture = picture.resize((_HAND_INPUT, _HAND_INPUT), Image.Resampling.BICUBIC)
            with _quiet():
                found = self._hands.detect(_mediapipe_image(np.asarray(picture)))
            hands = [
                np.array([[x + p.x * side_px, y + p.y * side_px, label[0].score] for p in hand], np.float32)
                for hand, label in zip(found.hand_landmarks, found.handedness, strict=True)
            ]
            hands = [hand for hand in hands if min(palm_distance(hand, body, owner) for owner in _SIDES) < _REACH]
            if hands:
                return hands
        return []

    def _best_confidence(self, image: Any) -> float:
        """The largest threshold under which a person is found, to 0.02: MediaPipe does not report the score."""
        low, high = 0.0, self.min_confidence
        while high - low > 0.02:
            threshold = (low + high) / 2
            landmarker = self._landmarker(threshold)
            try:
                with _quiet():
                    found = bool(landmarker.detect(image).pose_landmarks)
            finally:
                with _quiet():
                    landmarker.close()
            low, high = (threshold, high) if found else (low, threshold)
        return low

    def _landmarker(self, threshold: float, video: bool = False, people: int = 1) -> Any:
        vision = self._vision
        options = vision.PoseLandmarkerOptions(
            base_options=_base_options(self._pose_task),
            running_mode=vision.RunningMode.VIDEO if video else vision.RunningMode.IMAGE,
            num_poses=people,
            min_pose_detection_confidence=threshold,
            min_pose_presence_confidence=threshold,
        )
        with _quiet():
            return vision.PoseLandmarker.create_from_options(options)

    def _hand_landmarker(self) -> Any:
        options = self._vision.HandLandmarkerOptions(
            base_options=_base_options(self._hand_task),
            num_hands=2,
            min_hand_detection_confidence=self.min_hand_confidence,
            min_hand_presence_confidence=self.min_hand_confidence,
        )
        with _quiet():
            return self._vision.HandLandmarker.create_from_options(options)


def estimate_file(estimator: PoseEstimator, path: str | os.PathLike[str]) -> tuple[np.ndarray, np.ndarray]:
    """The picture (H, W, 3) uint8 as `read_image` gives it, and its pose (60, 3). NoPersonError names the file."""
    frame = read_image(path)
    try:
        return frame, estimator(frame)
    except NoPersonError as error:
        raise NoPersonError(error.confidence, error.threshold, str(path)) from error


def _body(person: Any, frame: np.ndarray) -> np.ndarray:
    """A person's 33 landmarks as rows (x px, y px, visibility, presence)."""
    height, width = frame.shape[:2]
    return np.array([(p.x * width, p.y * height, p.visibility, p.presence) for p in person], np.float32)


def outside_unsure(pose: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """The pose (60, 3), with confidence 0 outside the frame; in place."""
    height, width = frame.shape[:2]
    outside = (pose[:, 0] < 0) | (pose[:, 0] > width) | (pose[:, 1] < 0) | (pose[:, 1] > height)
    pose[outside, 2] = 0
    return pose


def _import_mediapipe() -> Any:
    try:
        with _quiet():
            from mediapipe.tasks.python import vision
    except ImportError as error:
        raise ImportError(
            "pose estimation needs mediapipe: pip install -e '.[pose]' in the checkout, or give --pose FILE"
        ) from error
    return vision


def _base_options(task: str) -> Any:
    from mediapipe.tasks.python import BaseOptions

    return BaseOptions(model_asset_path=task)


def _mediapipe_image(frame: np.ndarray) -> Any:
    import mediapipe

    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        raise ValueError(f"a frame must be (H, W, 3) uint8, got {frame.shape} {frame.dtype}")
    return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(frame))


def _close(*landmarkers: Any) -> None:
    for landmarker in landmarkers:
        try:
            landmarker.close()
        except RuntimeError:
            # At interpreter exit MediaPipe's thread pool is gone before any finalizer runs; without a handle its
            # __del__ stays silent, and the process frees the rest.
            landmarker._handle = None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Sends file descriptor 2 to nowhere: MediaPipe's C++ logs there whatever the logging variables say."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
