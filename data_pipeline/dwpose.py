"""What DWPose's and ControlNet's tools keep of a frame: a dict of "bodies", "hands" and "faces", in shares of it.

"bodies" holds "candidate" (18 P, 2), the joints of all P people, and "subset" (P, 18 or more), the index of each joint
in it or -1; in other tools scores stand in the place of the indices. "hands" (2 P, 21, 2) are all left ones, then all
right ones. "score" of the bodies and "hands_score" (2 P, 21) where the tool keeps them. -1 is an unseen place.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from data_pipeline.pose_formats import from_openpose_parts
from data_pipeline.skeleton import HAND_JOINTS

_BODY, _HAND = 18, len(HAND_JOINTS)
ARRAYS: Final = ("bodies", "candidate", "subset", "score", "hands", "hands_score")


def people_of(frame: Mapping[str, Any], mark: Callable[[np.ndarray], np.ndarray]) -> list[np.ndarray]:
    """Everyone in a frame, marked poses (60, 3) in shares. "candidate", "subset" and "score" may also lie beside
    "bodies" or in its place. `mark` as unseen.mark. Raises ValueError for what is not of this form."""
    bodies = frame.get("bodies")
    parts = {**frame, **bodies} if isinstance(bodies, Mapping) else {"candidate": bodies, **frame}
    if np.size(parts.get("candidate", ())) == 0:
        return []
    candidate = _numbers(parts["candidate"], "candidate", (2,))
    candidate = candidate.reshape(-1, candidate.shape[-1])
    if parts.get("subset") is None:
        subset = np.arange(len(candidate) // _BODY * _BODY).reshape(-1, _BODY)
    else:
        subset = _numbers(parts["subset"], "subset", (-1, _BODY))
    bodies, hands = _bodies(candidate, subset, parts), _hands(parts, len(subset))
    return [from_openpose_parts(mark(body), *map(mark, pair)) for body, pair in zip(bodies, hands, strict=True)]


def _bodies(candidate: np.ndarray, subset: np.ndarray, parts: Mapping[str, Any]) -> np.ndarray:
    """(P, 18, 3)"""
    indices, scores = subset[:, :_BODY], None
    if not (np.floor(indices) == indices).all():
        scores, indices = indices, np.arange(indices.size).reshape(-1, _BODY)
    if indices.size and not -1 <= indices.min() <= indices.max() < len(candidate):
        raise ValueError(f'"subset": indices {indices.min():g} to {indices.max():g} of {len(candidate)} candidates')
    if parts.get("score") is not None:
        scores = _numbers(parts["score"], "score", (len(indices), _BODY))[:, :_BODY]
    chosen = candidate[indices.astype(np.int64)] if indices.size else np.zeros((0, _BODY, 3))
    if scores is None:
        scores = chosen[..., 2] if chosen.shape[-1] > 2 else np.ones(indices.shape)
    return np.concatenate([chosen[..., :2], np.where(indices < 0, 0, scores)[..., None]], axis=-1)


def _hands(parts: Mapping[str, Any], people: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each of the people the left hand (21, 3) and the right one."""
    hands = np.full((2 * people, _HAND, 2), -1.0)
    if parts.get("hands") is not None and np.size(parts["hands"]):
        hands = _numbers(parts["hands"], "hands", (2 * people, _HAND, 2))
    scores = np.ones(hands.shape[:2])
    if parts.get("hands_score") is not None and np.size(parts["hands_score"]):
        scores = _numbers(parts["hands_score"], "hands_score", scores.shape)
    rows = np.concatenate([hands[..., :2], scores[..., None]], axis=-1)
    return list(zip(rows[:people], rows[people:], strict=True))


def _numbers(value: Any, name: str, least: tuple[int, ...]) -> np.ndarray:
    """An array whose axes are of `least`, the last of at least so many; -1 for any."""
    array = np.asarray(value)
    fits = array.ndim >= len(least) and all(
        want in (-1, got) for want, got in zip(least[:-1], array.shape, strict=False)
    )
    if array.dtype.kind not in "iuf" or not fits or array.shape[-1] < least[-1]:
        raise ValueError(f'"{name}": expected {least} numbers, got {array.dtype} {array.shape}')
    return array.astype(np.float64)


__all__ = ["ARRAYS", "people_of"]
