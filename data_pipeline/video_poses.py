"""The poses of a video file, and the file again with them drawn in."""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np

from data_pipeline import frame_times, poses, unseen, video_files
from data_pipeline.containers import opened
from data_pipeline.pose_estimation import PoseEstimator
from data_pipeline.pose_formats import Clip
from data_pipeline.video_files import Frame, Trouble


def check_video(path: str | os.PathLike[str]) -> None:
    """Raises FileNotFoundError or ValueError for a video that estimate_video or the pose file would refuse: one without
    a frame that decodes, and one whose packets say that it lasts hours or shows hardly a frame a second. Decodes one
    frame alone."""
    next(video_files.iter_video(path))
    times = []
    with opened(Path(path), "video") as (container, stream), contextlib.suppress(av.error.FFmpegError):
        for packet in container.demux(stream):  # up to where a file that is cut off ends
            if packet.pts is not None and not packet.is_discard:
                times.append(float(packet.pts * packet.time_base))
    try:
        frame_times.checked(np.unique(times or [0.0]))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


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


__all__ = ["check_video", "estimate_video", "write_overlay"]
