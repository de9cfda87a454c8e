import importlib.util
import os
import time

import numpy as np
import pytest

from benchmarks.measures import footage, preparing_speed
from data_pipeline.pose_weights import ENV
from data_pipeline.preparation import estimators

needs_models = pytest.mark.skipif(
    not os.environ.get(ENV) or importlib.util.find_spec("mediapipe") is None,
    reason=f"needs the extra pose, and {ENV} to name the folder of MediaPipe's bundles",
)


class Estimator:
    """Takes a hundredth of a second a frame; its frames' decoding is no part of it."""

    name, version = "planted", "1"

    def video(self, frames):
        for _ in frames:
            time.sleep(0.01)
            yield self._pose()

    def everyone(self, picture):
        return [self._pose()]

    def _pose(self):
        pose = np.ones((60, 3), np.float32)
        pose[:, 0], pose[:, 1] = np.linspace(20, 40, 60), np.linspace(4, 30, 60)
        return pose


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_the_parts_of_a_clip_are_told_apart(tmp_path, monkeypatch):
    made = Estimator()
    monkeypatch.setattr(estimators, "estimator", lambda **settings: made)
    video = footage.write_video(tmp_path / "a.mp4", 1.0, 36, 64)
    song = footage.write_song(tmp_path / "song.wav", 2.0)
    table = footage.write_table(tmp_path / "videos.csv", [video], song)
    began = time.perf_counter()
    parts = preparing_speed.split(footage.jobs(table, (64, 32))[0])
    took = time.perf_counter() - began
    assert tuple(parts) == preparing_speed.PARTS and all(seconds > 0 for seconds in parts.values())
    assert 0.3 < parts["pose"] < sum(parts.values()) < took / 1.5  # 30 frames; all of it was done twice
    assert estimators.estimator().video.__func__ is Estimator.video  # what was replaced is back


def test_a_preparation_that_fails_is_no_figure(tmp_path):
    arguments = footage.arguments(tmp_path / "no.csv", tmp_path / "data", (64, 32))
    with pytest.raises(ValueError, match=r"launch.prepare ended with 1: .*no\.csv"):
        preparing_speed.prepared(arguments, 1)


@pytest.mark.process
@needs_models
def test_one_worker_is_timed():
    found = preparing_speed.measure(preparing_speed.BRIEF)
    (row,) = found.figures["rows"]
    assert row["clips"] == 2 and row["processor_seconds"] > 1
    assert row["clips_an_hour"] == pytest.approx(7200 / row["seconds"])
    hour = found.figures["gigabytes_an_hour"]
    assert set(hour) == {"video", "clips", "poses", "pictures", "songs"}
    assert 0.3 < hour["songs"] < 0.7 and min(hour.values()) > 0  # 88 kB a second, in whole blocks of 64 KiB
    assert set(found.figures["one_clip_seconds"]) == set(preparing_speed.PARTS) and found.met is None
