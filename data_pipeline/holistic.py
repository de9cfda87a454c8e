"""MediaPipe Holistic's landmarks as arrays: body 33, face, left hand 21, right hand 21, in shares of the frame.

The face has 468 points (543 in all) or, with the irises, 478 (553). pose-format puts the body's 33 world landmarks
after them (576). Or one flat row a frame, as many scripts write: the body's x, y, z, visibility, then x, y, z of the
rest (1662).
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from data_pipeline.pose_formats import from_mediapipe

_BODY, _HAND, _FLAT_FACE = 33, 21, 468
_LEFT: Final = {543: 501, 553: 511, 576: 501}  # landmarks -> the first of the left hand
COUNTS: Final = tuple(_LEFT)
FLAT: Final = 4 * _BODY + 3 * (_FLAT_FACE + 2 * _HAND)


def unflatten(rows: np.ndarray) -> np.ndarray:
    """(F, 1662) to (F, 543, 4) of x, y, z, visibility."""
    split = 4 * _BODY
    body, rest = rows[..., :split].reshape(len(rows), _BODY, 4), rows[..., split:].reshape(len(rows), -1, 3)
    rest = np.concatenate([rest, np.zeros_like(rest[..., :1])], axis=-1)
    return np.concatenate([body, rest], axis=1)


def scored(landmarks: np.ndarray) -> np.ndarray:
    """(..., N, C) of x, y, z and, where C > 3, visibility and, where C > 4, presence, to rows x, y, score.

    The score is visibility * presence of the body, as far as given; hands have none and count as sure where they are.
    """
    score = np.ones((*landmarks.shape[:-1], 1))
    with np.errstate(invalid="ignore", over="ignore"):  # what is no number counts as unseen later
        score[..., :_BODY, :] = landmarks[..., :_BODY, 3:5].prod(axis=-1, keepdims=True)
    return np.concatenate([landmarks[..., :2], score], axis=-1)


def from_holistic(keypoints: np.ndarray, mark: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Rows (..., N, 3) of x, y, score, N one of COUNTS, to (..., 60, 3). `mark` as unseen.mark."""
    left = _LEFT[keypoints.shape[-2]]
    body, *hands = (
        mark(keypoints[..., first : first + count, :])
        for first, count in ((0, _BODY), (left, _HAND), (left + _HAND, _HAND))
    )
    return from_mediapipe(np.concatenate([body, np.ones_like(body[..., :1])], axis=-1), *hands)


__all__ = ["COUNTS", "FLAT", "from_holistic", "scored", "unflatten"]
