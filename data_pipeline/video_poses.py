"""The poses of a video file, and the file again with them drawn in."""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from data_pipeline import poses, unseen, video_files
from data_pipeline.pose_estimation import PoseEstimator
from data_pipeline.pose_formats import Clip
from data_pipeline.video_files import Frame, Trouble


def estimate_video(
    estimator: PoseEstimator, path: str | os.PathLike[str], progress: Callable[[Iterable[Any]], Iterable[Any]] = iter
) -> Clip:
    """One pose a frame at its time. A frame without a person holds a body that counts as unseen.

    What can be read of a damaged file is, with a warning; Clip.lost counts what is not. `progress` wraps the frames.
    """
    times, troubles, size = [], [], None

    def seen() -> Iterator[Frame]:  # one at a time: a long video does not fit into memory
        nonlocal size
        for frame in video_files.iter_video(path, troubles.append):
            times.append(frame.seconds)
            size = frame.picture.shape[:2]
            yield frame

    found = np.stack(list(progress(estimator.video(seen()))))
    for trouble in troubles:
        video_files.warn(trouble)
    times = np.array(times)
    filled = unseen.fill(unseen.mark(found), times)
    return Clip(filled, *size, times, lost=sum(trouble.lost for trouble in troubles))


def write_overlay(out: str | os.PathLike[str], path: str | os.PathLike[str], clip: Clip) -> None:
    """The video at `path` with the poses over it, each frame at its time, as `out` (.mp4)."""
    drawn = (
        video_files.even(poses.overlay(frame.picture, pose))
        for frame, pose in zip(
            video_files.iter_video(path, _ignore), poses.normalise(clip.poses, clip.height, clip.width), strict=True
        )
    )
    fps = (len(clip.times) - 1) / clip.times[-1] if len(clip.times) > 1 else 30
    video_files.write_video(out, drawn, fps, times=clip.times)


def _ignore(trouble: Trouble) -> None:
    """It was told when the poses were estimated."""


__all__ = ["estimate_video", "write_overlay"]
