"""One person followed through frames that show several, by size and continuity."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from data_pipeline.poses import VISIBLE
from data_pipeline.skeleton import LEFT_HAND_START, NUM_JOINTS
from data_pipeline.unseen import placed

_REACH: Final = 1.0  # of the body's extent: who is farther than this from where the dancer should be is someone else
_LOST: Final = 15  # frames without the dancer after which the most prominent person is followed instead
_AHEAD: Final = 3  # frames for which a dancer out of sight is taken to go on as before
_INERTIA: Final = 0.5  # of the speed in the frames before, in the running mean


class Follower:
    """Chooses the dancer among the people of each frame, one frame after the other.

    The first is the most prominent: large, surely seen, in the middle. Then each frame's nearest to where he would be
    if he went on as before, by the mean distance of joints and the change of size, both relative to his size. Who was
    alone in all frames so far is followed over any distance, as over a cut.
    """

    def __init__(self, height: float, width: float, several: bool = False):
        """height, width: of the frames in pixels. several: some frame to come shows more than one person."""
        self._size, self._several = (height, width), several
        self._last, self._speed, self._missed = None, np.zeros(2), 0

    def __call__(self, people: Sequence[np.ndarray]) -> np.ndarray:
        """The dancer's pose (60, 3) among marked ones (60, 3) in pixels; NaN with confidence 0 if none is his."""
        people = [person for person in people if placed(person).any()]
        self._several |= len(people) > 1
        found = self._choose(people) if people else None
        if found is None:
            self._missed += 1
            return np.full((NUM_JOINTS, 3), (np.nan, np.nan, 0), np.float32)
        self._last, self._missed = found, 0
        return found

    def _choose(self, people: list[np.ndarray]) -> np.ndarray | None:
        last, missed = self._last, self._missed
        if last is None or missed >= _LOST:
            self._speed = np.zeros(2)
            return max(people, key=lambda person: prominence(person, *self._size))
        expected = last + np.append(self._speed * min(missed + 1, _AHEAD), 0)
        distances = [_distance(expected, person) for person in people]
        changes = [abs(np.log(_extent(person) / _extent(last))) for person in people]
        best = int(np.argmin(np.add(distances, changes)))
        if self._several and distances[best] > _REACH * (1 + missed / _LOST):
            return None
        self._speed = _INERTIA * self._speed + (1 - _INERTIA) * _shift(last, people[best]) / (missed + 1)
        return people[best]


def follow(frames: Sequence[Sequence[np.ndarray]], height: float, width: float) -> np.ndarray:
    """The dancer's poses (F, 60, 3), as a Follower that knows of all frames chooses him; a frame that does not show him
    is NaN with confidence 0.

    Args:
        frames: of each frame the people, marked poses (60, 3) in pixels of a height x width frame.
    """
    follower = Follower(height, width, several=any(map(are_several, frames)))
    return np.array([follower(people) for people in frames], np.float32).reshape(-1, NUM_JOINTS, 3)


def are_several(people: Sequence[np.ndarray]) -> bool:
    """Whether more than one of the marked poses (60, 3) shows a joint."""
    return sum(bool(placed(person).any()) for person in people) > 1


def prominence(person: np.ndarray, height: float, width: float) -> float:
    """Extent times mean confidence, halved towards the frame's left and right border."""
    there = placed(person)
    aside = abs(person[there, 0].mean() - width / 2) / (width / 2)
    return _extent(person) * float(person[there, 2].mean() + 1e-3) * (1 - min(aside, 1) / 2)


def _extent(person: np.ndarray) -> float:
    """The longer side in pixels of the box around the joints that are seen well, or around all if none is."""
    there = placed(person)
    sure = there & (person[:, 2] > VISIBLE)
    points = person[sure if sure.sum() > 1 else there, :2]
    return max(float(np.ptp(points, axis=0).max()), 1.0)


def _common(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Joints of the body that both show; none, and all that either shows counts."""
    return np.flatnonzero((placed(a) & placed(b))[:LEFT_HAND_START])


def _shift(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(2,) pixels by which the body moved from a to b: the median joint's."""
    joints = _common(a, b)
    if len(joints) == 0:
        return b[placed(b), :2].mean(axis=0) - a[placed(a), :2].mean(axis=0)
    return np.median(b[joints, :2] - a[joints, :2], axis=0)


def _distance(expected: np.ndarray, person: np.ndarray) -> float:
    """Between two poses in extents of the first: mean over joints, the surer ones counting more."""
    joints = _common(expected, person)
    if len(joints) == 0:
        return float(np.linalg.norm(_shift(expected, person))) / _extent(expected)
    gaps = np.linalg.norm(expected[joints, :2] - person[joints, :2], axis=-1)
    weights = np.minimum(expected[joints, 2], person[joints, 2]) + 1e-3
    return float(np.average(gaps, weights=weights)) / _extent(expected)


__all__ = ["Follower", "are_several", "follow", "prominence"]
