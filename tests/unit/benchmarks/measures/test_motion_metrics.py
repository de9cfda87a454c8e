"""Ours and the references beside which it is timed give the same figures."""

import numpy as np

from benchmarks.measures import motion_metrics


def test_both_sides_of_a_row_measure_the_same():
    for name, (_, ours, theirs) in motion_metrics._pairs(motion_metrics.BRIEF._replace(clips=60)).items():
        mine, other = ours(), theirs()
        if name.startswith("bas_"):
            mine = mine.score
        elif name == "frechet":  # of features as they are; diversity normalises them first
            np.testing.assert_allclose(mine, other, rtol=1e-5)
            continue
        elif name == "pose_l1_half_height":
            mine = mine["all"]
        else:
            continue
        np.testing.assert_allclose(mine, other, rtol=1e-5, err_msg=name)


def test_a_measurement_says_what_it_came_to(monkeypatch):
    monkeypatch.setattr(motion_metrics, "_suite", lambda count, frames: (61.0, 1.0))
    monkeypatch.setattr(motion_metrics, "_extra", lambda count, frames: count * 10)
    found = motion_metrics.measure(motion_metrics.BRIEF)
    assert {row["metric"] for row in found.figures["rows"]} >= {"kinetic_2d_body", "frechet", "diversity"}
    assert (found.figures["few_bytes"], found.figures["many_bytes"]) == (30, 120)
    assert not found.met and "all of 6 clips of 1.33333 s in 61.0 s (1.0 s of a core)" in found.told
