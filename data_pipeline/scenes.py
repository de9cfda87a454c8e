"""A video cut into spans: where the picture changes at once, and after so many seconds.

Found are hard cuts. A dissolve is none, nor is a cut between two takes of one place whose pictures are nearly alike.
PySceneDetect finds more, but brings OpenCV, and wants to decode the file once more.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from PIL import Image

from data_pipeline.frame_times import SAME

_SIDE: Final = 32  # pixels of the small pictures that are compared
# Mean difference of two frames in 8-bit levels from which on they may be two scenes. Dancers who fill the picture reach
# 10 at 20 fps; the first and last frames of takes in one place are 10 to 20 apart, of different places 90 to 200.
_LEAST: Final = 12.0
# A cut is so many times as large as any change within _NEAR frames before and after it, else it is motion (at most 1.6
# times in the same dances, with repeated frames too) or a flash, which changes the picture twice.
_FACTOR: Final = 2.0
_NEAR: Final = 8


class SceneCuts:
    """Looks for cuts between frames that are given one after the other; keeps one small picture and a number a frame.

    Scenes of fewer than 8 frames are not told apart.
    """

    def __init__(self):
        self._last: np.ndarray | None = None
        self._changes: list[float] = []  # from frame i to i + 1

    def add(self, picture: np.ndarray) -> None:
        """A frame (H, W, 3) uint8."""
        small = np.asarray(Image.fromarray(picture).resize((_SIDE, _SIDE), Image.Resampling.BOX), np.float32)
        if self._last is not None:
            self._changes.append(float(np.abs(small - self._last).mean()))
        self._last = small

    @property
    def starts(self) -> list[int]:
        """First frames of the scenes after the first."""
        changes = self._changes
        near = [changes[max(0, i - _NEAR) : i] + changes[i + 1 : i + 1 + _NEAR] for i in range(len(changes))]
        return [
            i + 1 for i, change in enumerate(changes)
            if change >= _LEAST and change >= _FACTOR * max(near[i], default=0.0)
        ]  # fmt: skip


def bounds(times: np.ndarray, starts: Sequence[int], seconds: float) -> list[tuple[int, int]]:
    """Frames start to stop - 1 of each span: each frame is in one, in order.

    Args:
        times: (F,) seconds at which the frames are shown, increasing.
        starts: first frames of scenes, increasing; no span reaches over one.
        seconds: each scene is cut after so many, again and again, and what is left at its end is a span too; 0 leaves
            scenes whole.

    Raises:
        ValueError: no frames, a start that is no frame or out of order, or seconds below 0.
    """
    edges = [0, *starts, len(times)]
    if any(low >= high for low, high in zip(edges, edges[1:], strict=False)):
        raise ValueError(f"starts: {list(starts)} are not increasing frames after the first of {len(times)}")
    if not 0 <= seconds < np.inf:
        raise ValueError(f"seconds: {seconds:g} is no length of a span; give 0 for whole scenes, or more")
    found = []
    for start, stop in zip(edges, edges[1:], strict=False):
        parts = np.floor((times[start:stop] - times[start] + SAME) / seconds) if seconds else np.zeros(stop - start)
        inner = start + 1 + np.flatnonzero(np.diff(parts))
        found += zip([start, *inner.tolist()], [*inner.tolist(), stop], strict=True)
    return found


__all__ = ["SceneCuts", "bounds"]
