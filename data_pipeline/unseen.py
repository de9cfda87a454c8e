"""Joints that a detector did not see: how files mark them, and where they lie for us.

Files write (0, 0), (-1, -1), NaN or null in place of coordinates. All become NaN and confidence 0 (`mark`) and then get
a place (`fill`), since the models read numbers: with their parent joint, never at the frame's corner.
"""

from typing import Final

import numpy as np

from data_pipeline.skeleton import BODY_LIMBS, HAND_LIMBS, INDEX, LEFT_HAND_START, RIGHT_HAND_START

_FARTHEST: Final = 1e6  # pixels from the frame's corner; beyond, a number is no place
_NECK: Final = INDEX["neck"]
# (parent, child), parents first, from the neck outwards; a hand hangs on its wrist.
_TREE: Final = (
    *BODY_LIMBS, (INDEX["left_wrist"], LEFT_HAND_START), (INDEX["right_wrist"], RIGHT_HAND_START), *HAND_LIMBS,
)


def mark(keypoints: np.ndarray) -> np.ndarray:
    """Rows (..., 3) of x, y, score as files give them to float32: NaN, NaN, 0 where a joint was not seen; scores in
    [0, 1], 0 for one that is no number."""
    keypoints = np.asarray(keypoints, np.float64)
    xy, score = keypoints[..., :2], keypoints[..., 2:3]
    with np.errstate(invalid="ignore"):
        there = (np.abs(xy) <= _FARTHEST).all(-1) & ~(xy == 0).all(-1) & ~(xy == -1).all(-1)
    marked = np.concatenate([xy, np.clip(np.nan_to_num(score, nan=0.0), 0, 1)], axis=-1)
    marked[~there] = np.nan, np.nan, 0
    return marked.astype(np.float32)


class Tally:
    """Marks joints, and counts the scores of those that have a place: `clipped` lay above 1, `zeroed` were no number
    or below 0."""

    def __init__(self):
        self.clipped = self.zeroed = 0

    def mark(self, keypoints: np.ndarray) -> np.ndarray:
        """As the function does."""
        marked, score = mark(keypoints), np.asarray(keypoints, np.float64)[..., 2]
        there = placed(marked)
        self.clipped += int((score[there] > 1).sum())
        self.zeroed += int((~(score[there] >= 0)).sum())
        return marked


def placed(poses: np.ndarray) -> np.ndarray:
    """Which joints (...,) of marked poses (..., 3) have a place."""
    return np.isfinite(poses[..., :2]).all(-1)


def fill(poses: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Marked poses (F, 60, 3) with a place for every joint; confidences stay.

    A joint keeps its offset from its parent, linear over `times` (F,) between the frames that show it, and lies at its
    parent if none does. The neck, from which all hang, goes straight between the frames that show it; if none does, the
    middle of what is seen stands in. So a frame without anybody holds a body where one would be. All zeros where no
    frame shows anything.
    """
    xy, there = poses[..., :2].astype(np.float64), placed(poses)
    shown = there.any(axis=1)
    if not shown.any():
        return np.concatenate([np.zeros_like(poses[..., :2]), poses[..., 2:]], axis=-1)
    if not there[:, _NECK].any():
        xy[shown, _NECK] = [frame[seen].mean(axis=0) for frame, seen in zip(xy[shown], there[shown], strict=True)]
        there[:, _NECK] = shown
    _complete(xy[:, _NECK], there[:, _NECK], times)
    for parent, child in _TREE:
        offset = xy[:, child] - xy[:, parent]
        _complete(offset, there[:, child], times)
        xy[~there[:, child], child] = (xy[:, parent] + offset)[~there[:, child]]
    return np.concatenate([xy, poses[..., 2:]], axis=-1).astype(np.float32)


def _complete(values: np.ndarray, known: np.ndarray, times: np.ndarray) -> None:
    """Fills the rows of `values` (F, 2) that are not known, in place: linear between, held before and after."""
    for column in values.T:
        column[~known] = np.interp(times[~known], times[known], column[known]) if known.any() else 0


__all__ = ["Tally", "fill", "mark", "placed"]
