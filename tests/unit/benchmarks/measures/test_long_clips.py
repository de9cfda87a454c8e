import importlib.util
import os

import numpy as np
import pytest

from benchmarks.measures import long_clips
from data_pipeline.pose_weights import ENV
from data_pipeline.video_files import Frame

needs_models = pytest.mark.skipif(
    not os.environ.get(ENV) or importlib.util.find_spec("mediapipe") is None,
    reason=f"needs the extra pose, and {ENV} to name the folder of MediaPipe's bundles",
)


@pytest.mark.parametrize(("count", "every"), [(7, 3), (6, 3), (1, 5), (4, 1)])
def test_poses_in_between_are_those_before_and_all_frames_are_read(count, every):
    read, found = [], []

    def frames():
        for number in range(count):
            read.append(number)
            yield Frame(number / 30, np.zeros((2, 2, 3), np.uint8))

    def poses_of(some):
        for frame in some:
            found.append(round(frame.seconds * 30))
            yield np.full((60, 3), found[-1], np.float32)

    poses = [int(pose[0, 0]) for pose in long_clips.held(poses_of, every, frames())]
    assert read == list(range(count)) and found == list(range(0, count, every))
    assert poses == [number - number % every for number in range(count)]


def test_the_peak_is_that_of_memory_that_is_gone():
    before = long_clips.peak()
    block = np.ones(50_000_000)
    del block
    assert long_clips.peak() >= before
    assert long_clips.peak() > 300e6


@pytest.mark.process
@needs_models
def test_a_row_for_each_set():
    found = long_clips.measure(long_clips.BRIEF)
    rows = found.figures["rows"]
    assert [row["set"] for row in rows] == ["2 clips of 0.8 s", "4 clips of 0.8 s", "0.015 minutes", "0.15 minutes"]
    assert all(100 < row["megabytes"] < 2000 for row in rows)
    assert "GB" in found.told and "times 2" in found.told
