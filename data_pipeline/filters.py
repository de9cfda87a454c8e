"""The paper's filters of clips (section "Data"): what is measured, and the limits that it is held against."""

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np

from data_pipeline.poses import VISIBLE
from data_pipeline.unseen import placed

_CORNER: Final = 0.1  # of the picture's short side: a corner
_GRID: Final = 8  # pixels looked at along each side of a corner


@dataclasses.dataclass(frozen=True)
class Scores:
    """What was measured of a clip.

    Attributes:
        seconds: its length.
        second_person: share of the frames looked at that show a second body.
        person_box: the person's box as a share of the frame, the median over frames; a frame without a person counts 0.
        corner_deviation: standard deviation over time of the pixels in the four corners, 8-bit levels.
        quality: of the pictures in [0, 100], HyperIQA's; None where nobody scored it.
    """

    seconds: float
    second_person: float
    person_box: float
    corner_deviation: float
    quality: float | None = None


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a clip is kept by; the paper's where it states one.

    Attributes:
        seconds, person_box, quality: at least; quality None is off.
        second_person, corner_deviation: at most.
        second_confidence, second_size: from which on a body counts as a second one: its mean confidence, and its
            height as a share of the dancer's.
    """

    seconds: float = 5.0
    second_person: float = 0.1
    second_confidence: float = 0.5
    second_size: float = 0.3
    person_box: float = 0.275
    corner_deviation: float = 20.0
    quality: float | None = 40.0


def reasons(scores: Scores, limits: Limits) -> list[str]:
    """Why a clip is not kept: "too_short", "several_people", "person_small", "camera_moves", "low_quality"."""
    failed = {
        "too_short": scores.seconds < limits.seconds,
        "several_people": scores.second_person > limits.second_person,
        "person_small": scores.person_box < limits.person_box,
        "camera_moves": scores.corner_deviation > limits.corner_deviation,
        "low_quality": None not in (scores.quality, limits.quality) and scores.quality < limits.quality,
    }
    return [name for name, fails in failed.items() if fails]


def second_person(frames: Sequence[Sequence[np.ndarray]], limits: Limits) -> float:
    """Share of the frames that show a second body; of each the people, marked poses (60, 3) in pixels. 0 for none."""
    if not frames:
        return 0.0
    return float(np.mean([_is_crowd(people, limits) for people in frames]))


def _is_crowd(people: Sequence[np.ndarray], limits: Limits) -> bool:
    sure = [_height(person) for person in people if _confidence(person) >= limits.second_confidence]
    sizes = sorted((height for height in sure if height > 0), reverse=True)
    return len(sizes) > 1 and sizes[1] >= limits.second_size * sizes[0]


def _confidence(person: np.ndarray) -> float:
    """Mean over the joints that are there: hands that nobody looked for count for nothing."""
    there = placed(person)
    return float(person[there, 2].mean()) if there.any() else 0.0


def _height(person: np.ndarray) -> float:
    seen = placed(person) & (person[:, 2] > VISIBLE)
    return float(np.ptp(person[seen, 1])) if seen.any() else 0.0


def person_box(poses: np.ndarray, height: float, width: float) -> float:
    """The box around the visible joints, cut at the frame, as a share of the height x width frame: the median over
    poses (F, 60, 3) in pixels. A frame that shows nobody counts 0."""
    seen = (poses[..., 2] > VISIBLE) & np.isfinite(poses).all(-1)
    xy = np.clip(poses[..., :2], 0, (width, height))
    low = np.where(seen[..., None], xy, np.inf).min(axis=1)
    high = np.where(seen[..., None], xy, -np.inf).max(axis=1)
    sides = np.where(seen.any(axis=1)[:, None], high - low, 0)
    return float(np.median(sides.prod(axis=1)) / (height * width))


class Corners:
    """Pixels of the four corners of a video's frames, given one after the other: 768 bytes a frame are kept."""

    def __init__(self):
        self._rows: list[np.ndarray] = []

    def add(self, picture: np.ndarray) -> None:
        """A frame (H, W, 3) uint8."""
        side = max(1, round(_CORNER * min(picture.shape[:2])))
        near = np.unique(np.linspace(0, side - 1, _GRID).round().astype(int))
        rows, columns = (np.concatenate([near, length - 1 - near]) for length in picture.shape[:2])
        self._rows.append(picture[np.ix_(rows, columns)])

    def deviation(self, start: int, stop: int) -> float:
        """Standard deviation over the frames start to stop - 1, the mean over pixels and colours, 8-bit levels."""
        return float(np.stack(self._rows[start:stop]).std(axis=0, dtype=np.float64).mean())


__all__ = ["Corners", "Limits", "Scores", "person_box", "reasons", "second_person"]
