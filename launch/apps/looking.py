"""A photo before anything long starts: is somebody in it, and where."""

import threading
from pathlib import Path

import numpy as np

from data_pipeline import image_files, poses
from launch.apps.refusals import Refused, sentence
from launch.making import painting
from launch.making.painting import Dancer, MakesEstimator

_WAY_OUT = " Another photo may do, or a pose file of this one, below."
_EXPECTED = (ValueError, OSError, ImportError)


class Looker:
    """Finds or reads the pose of a photo, one at a time: estimators are not made for several threads."""

    def __init__(self, estimator: MakesEstimator, size: tuple[int, int]):
        """size: (height, width) of the video."""
        self._estimator, self._size, self._lock = estimator, size, threading.Lock()

    def __call__(self, photo: Path, pose: Path | None) -> Dancer:
        """Raises Refused beside the photo, or beside the pose file where that is what is wrong."""
        names = {str(photo): "the photo", str(pose): "the pose file"}
        try:
            image_files.read_image(photo)
        except _EXPECTED as error:
            raise Refused("photo", sentence(error, names)) from error
        try:
            with self._lock:
                return painting.read_dancer(str(photo), pose and str(pose), self._estimator, self._size)
        except _EXPECTED as error:
            if pose is not None and str(error).startswith(f"{pose}: "):
                raise Refused("pose", sentence(error, names)) from error
            raise Refused("photo", sentence(error, names) + ("" if pose else _WAY_OUT)) from error


def drawn(dancer: Dancer) -> np.ndarray:
    """The photo as the models see it, with the pose over it (H, W, 3) uint8."""
    return poses.overlay(dancer.photo, dancer.pose)


def doubts(dancer: Dancer) -> str:
    """What may spoil the dance; "" for nothing."""
    if painting.legs_in_sight(dancer.pose):
        return ""
    return "Hips, knees and ankles are hardly in sight, so the legs are guessed; better give the whole person."


__all__ = ["Looker", "doubts", "drawn"]
