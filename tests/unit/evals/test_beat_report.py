import dataclasses
import math

import numpy as np
import pytest

from tests.unit.evals.test_beat_alignment import FRAMES, _on_beat, _one_hot, _unrelated
from xdancer_jax.evals.beat_alignment import BAS_BAILANDO_60FPS, BAS_MASKED_100MS, BAS_MINT_SECONDS
from xdancer_jax.evals.beat_report import beat_alignment_report, score_matrix
from xdancer_jax.evals.motion_set import MotionSet

APART = (15, 18, 22)


def _set(motions, fps=30.0):
    return MotionSet(motions, fps)


def _songs():
    return [_one_hot(np.arange(a, FRAMES, a)) for a in APART]


def test_report_measures_against_other_songs_and_ground_truth():
    beats, real = _songs(), _set([_on_beat(i, a, joints=6) for i, a in enumerate(APART)])
    perfect = beat_alignment_report(BAS_MASKED_100MS, real, beats, truth=real)
    values = perfect.values
    assert values["fraction"] == 1 and values["score"] > values["chance"] + 0.3
    assert values["low"] <= values["score"] <= values["high"] and values["repeat_photo"] == 0
    other = [
        BAS_MASKED_100MS(m, s, 30.0).score for i, m in enumerate(real.poses) for j, s in enumerate(beats) if i != j
    ]
    np.testing.assert_allclose(values["chance"], np.mean(other))
    unrelated = _set([_unrelated(i, joints=6) for i in range(3)])
    noise = beat_alignment_report(BAS_MASKED_100MS, unrelated, beats, truth=real)
    assert abs(noise.values["fraction"]) < 0.35
    same = beat_alignment_report(BAS_MASKED_100MS, real, beats, songs=["a", "a", "a"])
    assert math.isnan(same.values["chance"])
    assert perfect.constants["sigma_ms"] == 100 and perfect.constants["fps"] == 30
    assert perfect.counts["music_beats"] == sum(int(b.sum()) for b in beats)
    with pytest.raises(ValueError, match="3 motions, 2 beat tracks"):
        beat_alignment_report(BAS_MASKED_100MS, real, beats[:2])


@pytest.mark.parametrize("protocol", [BAS_MASKED_100MS, BAS_MINT_SECONDS, BAS_BAILANDO_60FPS], ids=lambda p: p.id)
def test_every_pair_is_scored_over_the_frames_that_both_have(protocol):
    """Motions and songs of four lengths, one by one, cut by hand."""
    lengths = (200, 260, 90, 150)
    motions = _set([_unrelated(i, joints=3)[:n] for i, n in enumerate(lengths)])
    songs = [_one_hot(np.arange(5 + i, n, 14 + i), n) for i, n in enumerate((150, 300, 90, 210))]
    table, _ = score_matrix(protocol, motions, songs)
    rate = protocol.rate or 30.0
    for i, motion in enumerate(motions.poses):
        found = protocol.motion_beats(motion, 30.0)
        for j, song in enumerate(songs):
            end = min(protocol.frames(len(motion), 30.0), protocol.frames(len(song), 30.0))
            music = protocol.music_beats(np.flatnonzero(song), 30.0)
            wanted = protocol.align(found[found < end], music[music < end], rate).score
            np.testing.assert_allclose(table[i, j], wanted, rtol=1e-12)


def test_a_silent_song_is_named_and_counted_not_averaged():
    beats = [*_songs()[:2], np.zeros(FRAMES)]
    motions = MotionSet([_unrelated(i, joints=3) for i in range(3)], 30.0, ["a", "b", "quiet"])
    for protocol in (BAS_MASKED_100MS, BAS_MINT_SECONDS):
        found = beat_alignment_report(protocol, motions, beats)
        own = [protocol(motions.poses[i], beats[i], 30.0).score for i in range(2)]
        np.testing.assert_allclose(found.values["score"], np.mean(own))
        assert found.counts["without_music_beats"] == 1 and found.notes == ("no music beats, left out: quiet",)
    nothing = beat_alignment_report(BAS_MASKED_100MS, motions, [np.zeros(FRAMES)] * 3)
    assert math.isnan(nothing.values["score"]) and math.isnan(nothing.values["low"])


def test_truth_of_another_rate_or_number_is_refused():
    motions = _set([_unrelated(i, joints=3) for i in range(3)])
    with pytest.raises(ValueError, match="motions at 30 fps, true ones at 60 fps"):
        beat_alignment_report(BAS_MASKED_100MS, motions, _songs(), truth=dataclasses.replace(motions, fps=60.0))
    with pytest.raises(ValueError, match="3 motions for 2 true ones"):
        beat_alignment_report(BAS_MASKED_100MS, motions, _songs(), truth=_set(motions.poses[:2]))
