"""A video looked at once, from its first frame to its last: poses, times, and what the filters and cuts need."""

import dataclasses
from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np

from data_pipeline import filters, scenes, unseen, video_files
from data_pipeline.pose_estimation import PoseEstimator
from data_pipeline.pose_formats import Clip
from data_pipeline.video_files import Frame

_CENSUS: Final = 0.5  # seconds between the frames in which everyone is looked for


@dataclasses.dataclass
class Look:
    """clip: marked and filled poses of the one who is followed. crowd: (frame, people) of the frames in which everyone
    was looked for. corners: deviations up to each frame. cuts: first frames of scenes. counts: oddities by name."""

    clip: Clip
    crowd: list[tuple[int, list[np.ndarray]]]
    corners: filters.CornerHistory
    cuts: list[int]
    counts: dict[str, int]


def look(path: str, estimator: PoseEstimator, find_scenes: bool) -> Look:
    """Decodes the video, a frame at a time. Raises what video_files.iter_video does."""
    times, crowd, troubles, size = [], [], [], None
    corners, cutter = filters.CornerHistory(), scenes.SceneCuts()

    def frames() -> Iterator[Frame]:
        nonlocal size
        for frame in video_files.iter_video(path, troubles.append):
            size = frame.picture.shape[:2]
            if not crowd or frame.seconds >= times[crowd[-1][0]] + _CENSUS:
                crowd.append((len(times), estimator.everyone(frame.picture)))
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
    return Look(clip, crowd, corners, cutter.starts, {name: count for name, count in counts.items() if count})


__all__ = ["Look", "look"]
