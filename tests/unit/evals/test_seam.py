import numpy as np
import pytest

from tests.unit.evals.test_clips import numbered
from xdancer_jax.diffusion import windows
from xdancer_jax.evals.clips import Video, of_array
from xdancer_jax.evals.seam import Seam


@pytest.mark.parametrize("frames, length, overlap", [(30, 16, 4), (17, 16, 4), (16, 16, 4), (40, 8, 0), (41, 8, 3)])
def test_seams_are_where_the_windows_that_cover_a_frame_change(frames, length, overlap):
    covered = np.zeros((len(windows.starts(frames, length, overlap)), frames), bool)
    for row, start in zip(covered, windows.starts(frames, length, overlap), strict=True):
        row[start : start + length] = True
    want = [t for t in range(1, frames) if (covered[:, t] != covered[:, t - 1]).any()]
    assert Seam(length=length, overlap=overlap).seams(frames) == want


def test_a_jump_at_a_seam_is_seen_and_one_elsewhere_is_not():
    seam = Seam(length=8, overlap=0)
    steps = np.full(23, 0.1)
    np.testing.assert_allclose(seam.ratios(steps), 1)
    at = steps.copy()
    at[7] = 0.5
    np.testing.assert_allclose(seam.ratios(at), [5, 1])
    beside = steps.copy()
    beside[3] = 0.5
    assert seam.ratios(beside)[0] < 1


def test_report():
    video = numbered("steady", 30)
    result = Seam().report([video, numbered("one window", 16)])
    assert result.values["score"] == pytest.approx(1, abs=1e-4) and result.counts["seams"] == 4
    assert "one window (16 frames, one window)" in result.notes[0]
    still = np.zeros((30, 2, 3, 3), np.uint8)
    assert Seam().report([of_array("still", 30.0, still)]).values["worst"] == 1
    still[12:] = 9
    with pytest.raises(ValueError, match="jump: seam 0 is inf: all steps near it are 0"):
        Seam().report([of_array("jump", 30.0, still)])
    with pytest.raises(ValueError, match="no seam; made: 1 left out, unreadable: broken"):
        Seam().report([Video("broken", 30.0, (30, 2, 3), lambda: [])])
