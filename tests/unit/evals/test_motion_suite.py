import json

import numpy as np
import pytest

from tests.unit.evals.bodies import dancer, hidden
from xdancer_jax.evals.motion_set import MotionSet
from xdancer_jax.evals.motion_suite import motion_results
from xdancer_jax.evals.protocols import column, parse


def _results(first, lengths, real=50):
    motions, truth = (
        MotionSet([dancer(start + i, n) for i, n in enumerate(lengths)], 30.0, list("abcde")[: len(lengths)])
        for start in (first, real)
    )
    return motion_results(motions, truth, [np.arange(n) % 14 == 5 for n in lengths], motions.names)


def test_every_result_has_its_rows_constants_and_counts():
    found = _results(0, (60, 45, 70))
    assert len({each.protocol for each in found}) == len(found) == 7 + 6 * 2 + 1
    for each in found:
        assert set(each.values) >= {"ground_truth", "chance", "repeat_photo", "low", "high"}, each.protocol
        assert each.counts["motions"] == 3 and each.counts["shortest"] == 45 and each.counts["longest"] == 70
        assert each.constants["fps"] == 30
    again = parse([each.as_json() for each in found], "memory")
    assert [each.protocol for each in again] == [each.protocol for each in found]
    assert json.loads(found[0].as_json())["notes"] == []
    with pytest.raises(ValueError, match="different protocols"):
        column(found[:2], "score")
    column([found[0], again[0]], "score")


@pytest.mark.parametrize("count", [1, 2])
def test_so_few_motions_that_little_is_defined_are_told_of(count):
    found = {each.protocol: each for each in _results(0, (60, 50)[:count])}
    distance = found["fid_gtnorm_kinetic_2d_body"]
    assert np.isnan(distance.values["distance"]) == (count == 1)
    assert np.isnan(distance.values["ground_truth"]) and distance.notes
    assert np.isfinite(found["bas_masked_100ms"].values["score"])


def test_dancers_without_hands_and_face_count_for_the_body_alone():
    """As 3-D baselines are when they are projected."""
    motions = MotionSet([hidden(dancer(i), [0, *range(14, 60)]) for i in range(3)], 30.0)
    truth = MotionSet([dancer(10 + i) for i in range(3)], 30.0)
    found = {each.protocol: each for each in motion_results(motions, truth, [np.arange(60) % 14 == 5] * 3)}
    body, all_joints = found["fid_gtnorm_kinetic_2d_body"], found["fid_gtnorm_kinetic_2d"]
    assert body.counts["left_out"] == 0 and np.isfinite(body.values["distance"])
    assert all_joints.counts["left_out"] == 3 and np.isnan(all_joints.values["distance"])
    assert any("3 of 3 motions left out" in note for note in all_joints.notes)
    assert np.isfinite(found["fid_ownnorm_geometric_mace2d"].values["distance"])


def test_a_line_written_before_there_were_notes_is_read():
    old = '{"protocol": "bas_bailando_2d", "constants": {"sigma_ms": 100.0}, "values": {"score": 0.5}, "counts": {}, ' \
        '"source": {"step": 3}}'
    (found,) = parse([old], "evaluation.jsonl")
    assert found.protocol == "bas_bailando_2d" and found.notes == () and found.values["score"] == 0.5
