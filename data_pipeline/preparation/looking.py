"""A video looked at once, from its first frame to its last: poses, times, and what the filters and cuts need."""

import dataclasses
from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np

from data_pipeline import filters, scenes, unseen, video_files
from data_pipeline.image_quality import Scorer
from data_pipeline.pose_estimation import PoseEstimator
from data_pipeline.pose_formats import Clip
from data_pipeline.video_files import Frame

_CENSUS: Final = 0.5  # seconds between the frames in which everyone is looked for, and quality scored


@dataclasses.dataclass
class Look:
    """clip: marked and filled poses of the one who is followed. corners: of all frames. cuts: first frames of scenes.
    crowd: (frame, people) of the frames in which everyone was looked for; scored: (frame, quality) of the same, nothing
    without a scorer. counts: oddities by name."""

    clip: Clip
    corners: filters.Corners
    cuts: list[int]
    crowd: list[tuple[int, list[np.ndarray]]]
    scored: list[tuple[int, float]]
    counts: dict[str, int]

    def people(self, start: int, stop: int) -> list[list[np.ndarray]]:
        """Of the frames start to stop - 1."""
        return [people for number, people in self.crowd if start <= number < stop]

    def quality(self, start: int, stop: int) -> float | None:
        """The mean of the frames start to stop - 1; None where nobody scored them."""
        found = [score for number, score in self.scored if start <= number < stop]
        return float(np.mean(found)) if found else None


def look(path: str, estimator: PoseEstimator, scorer: Scorer | None, find_scenes: bool) -> Look:
    """Decodes the video, a frame at a time. Raises what video_files.iter_video does."""
    times, crowd, scored, troubles, size = [], [], [], [], None
    corners, cutter = filters.Corners(), scenes.SceneCuts()

    def frames() -> Iterator[Frame]:
        nonlocal size
        for frame in video_files.iter_video(path, troubles.append):
            size = frame.picture.shape[:2]
            if not crowd or frame.seconds >= times[crowd[-1][0]] + _CENSUS:
                crowd.append((len(times), estimator.everyone(frame.picture)))
                if scorer is not None:
                    scored.append((len(times), scorer(frame.picture)))
            times.append(frame.seconds)
            corners.add(frame.picture)
            if find_scenes:
                cutter.add(frame.picture)
            yield frame

    found = unseen.mark(np.stack(list(estimator.video(frames()))))
    counts: Counter[str] = Counter(trouble.kind for trouble in troubles)
    counts["frames without a person"] = int((found[..., 2] == 0).all(axis=1).sum())
    seconds = np.array(times)
    clip = Clip(unseen.fill(found, seconds), *size, seconds, lost=sum(trouble.lost for trouble in troubles))
    return Look(clip, corners, cutter.starts, crowd, scored, {name: count for name, count in counts.items() if count})


__all__ = ["Look", "look"]
