import os

import numpy as np
import pytest

from benchmarks.measures import music_speed
from data_pipeline import music


def test_librosa_one_feature_at_a_time_gives_the_same_columns():
    """Else the two would not be worth a comparison."""
    audio = music_speed._toy(6.0)
    found, theirs = music.extract("librosa35", audio, 44_100), music_speed.plain(audio, 44_100)
    np.testing.assert_allclose(theirs, found, atol=1e-3)
    assert theirs[:, 33].any() and theirs[:, 34].any()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_speeds_are_of_the_same_song_and_cores_are_given_back():
    before = os.sched_getaffinity(0)
    found = music_speed.measure(music_speed.BRIEF)
    (row,) = found.figures["rows"]
    assert row["song"] == "toy" and row["seconds"] == pytest.approx(5, abs=0.01)
    assert row["ratio"] == pytest.approx(row["ours_times_real_time"] / row["librosa_times_real_time"])
    assert row["difference"] < 1e-3
    assert found.met == (row["ours_times_real_time"] >= 20 and row["ratio"] >= 1)
    assert os.sched_getaffinity(0) == before
