import numpy as np
import pytest

from tests.unit.evals.test_clips import numbered
from xdancer_jax.evals.clips import Video, of_array
from xdancer_jax.evals.flicker import Flicker, vbench


def steps(name, *values):
    frames = np.asarray(values, np.uint8)[:, None, None, None]
    return of_array(name, 30.0, np.broadcast_to(frames, (len(values), 2, 2, 3)))


def test_steady_change_is_no_flicker_and_black_and_white_is_one():
    assert Flicker()(numbered("steady", 9)) == pytest.approx(0, abs=1e-7)
    assert Flicker()(steps("mad", 0, 255, 0, 255)) == pytest.approx(1)
    assert vbench()(numbered("steady", 9)) == pytest.approx(1 / 255)
    assert Flicker()(steps("by hand", 0, 51, 0)) == pytest.approx(0.2)


def test_report_beside_the_truth_with_what_was_left_out():
    broken = Video("broken", 30.0, (3, 2, 2), lambda: [])
    made = [steps("a", 0, 102, 0), steps("brief", 0, 1), broken]
    result = Flicker().report([steps("real", 0, 51, 0)], made)
    assert result.values["ratio"] == pytest.approx(2) and result.values["score"] == pytest.approx(0.4)
    assert result.counts == {"made": 1, "real": 1, "made_too_short": 0, "made_unreadable": 2, "real_too_short": 0,
                             "real_unreadable": 0}
    assert "brief (2 frames, 3 needed)" in result.notes[0] and "broken" in result.notes[0]
    assert np.isnan(Flicker().report([numbered("still", 1, (2, 2)), steps("s", 1, 1, 1)], made).values["ratio"])
    with pytest.raises(ValueError, match="no video; made: 1 left out"):
        Flicker().report([steps("real", 0, 51, 0)], [broken])
