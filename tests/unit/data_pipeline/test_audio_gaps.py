"""Where sound is missing."""

import numpy as np
import pytest

from data_pipeline import audio_gaps

SECONDS = np.full(12, 0.02)
STARTS = np.arange(12) * 0.02


def _found(starts):
    frames, lengths = audio_gaps.find(starts, SECONDS)
    return dict(zip(frames.tolist(), lengths.round(6).tolist(), strict=True))


def test_steps_of_the_stamps_are_gaps():
    assert _found(STARTS) == {}
    assert _found(7.5 + STARTS) == {}  # a stream may begin anywhere
    assert _found(STARTS + 0.02 * (np.arange(12) >= 5)) == {5: 0.02}
    assert _found(STARTS + 0.3 * (np.arange(12) >= 3) + 0.06 * (np.arange(12) >= 4)) == {3: 0.3, 4: 0.06}
    assert _found(STARTS + 0.5 * (np.arange(12) >= 11)) == {11: 0.5}


def test_odd_stamps_are_none():
    odd = STARTS.copy()
    odd[4] += 900
    odd[7] -= 0.01
    assert _found(odd) == {}
    assert _found(STARTS * 1.01) == {}  # a clock that drifts
    assert _found(np.where(np.arange(12) < 6, STARTS, STARTS - 0.12)) == {}  # a chain's second link begins at 0 again
    assert _found(np.round(STARTS + 0.0004, 3)) == {}
    assert _found([None] * 12) == {}
    assert _found([None if 3 < i < 7 else start for i, start in enumerate(STARTS + 0.1 * (STARTS > 0.1))]) == {7: 0.1}
    assert len(audio_gaps.find([0.0], [0.02])[0]) == 0


def test_packets_swallow_what_their_size_tells_and_no_more_than_is_missing():
    assert audio_gaps.swallowed([600, 100], 100, 0.02, 1) == pytest.approx([0.12, 0.02])
    assert audio_gaps.swallowed([600, 600], 100, 0.02, 0.1) == pytest.approx([0.05, 0.05])
    assert audio_gaps.swallowed([1100], 100, 0.02, 0) == pytest.approx([0])  # junk put in between
    assert audio_gaps.swallowed([0], 100, 0.02, 1) == pytest.approx([0])
    assert audio_gaps.swallowed([1100, 100], 100, 0.02, None) == pytest.approx([0.02, 0.02])
    assert len(audio_gaps.swallowed([], 100, 0.02, 1)) == 0


def test_silence_is_put_in():
    filled = audio_gaps.fill(np.arange(1, 6, dtype=np.float32), [0, 2, 2], [1, 2, 1])
    assert filled.tolist() == [0, 1, 2, 0, 0, 0, 3, 4, 5] and filled.dtype == np.float32


def test_silence_is_put_into_blocks_where_it_is_put_into_the_whole():
    audio, rng = np.arange(1, 40, dtype=np.float32), np.random.default_rng(0)
    for _ in range(50):
        positions, cuts = (sorted(rng.integers(0, 42, rng.integers(0, 6)).tolist()) for _ in range(2))
        lengths = rng.integers(0, 4, len(positions)).tolist()
        pieces = np.split(audio, positions)
        expected = np.concatenate([pieces[0], *(
            x for length, piece in zip(lengths, pieces[1:], strict=True) for x in (np.zeros(length), piece)
        )])
        found = audio_gaps.filled(np.split(audio, cuts), positions, lengths)
        np.testing.assert_array_equal(np.concatenate([audio[:0], *found]), expected)
