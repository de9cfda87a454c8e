import numpy as np
import pytest

from data_pipeline.frame_times import Clock, at_rate, checked, constant_fps


def _seconds(stated, spacing=0.04):
    clock = Clock(spacing)
    return [round(clock(time), 6) for time in stated]


@pytest.mark.parametrize(
    ("stated", "seconds"),
    [
        ([5.0, 5.1, 5.3], [0, 0.1, 0.3]),
        ([None, None, None], [0, 0.04, 0.08]),
        ([0.0, 0.1, None, 0.3], [0, 0.1, 0.2, 0.3]),
        ([None, 7.0, 7.1], [0, 0.04, 0.14]),
        ([0.0, 0.04, 0.04, 0.12], [0, 0.04, 0.041, 0.12]),  # twice the same: the next keeps its time
        ([0.0, 0.08, 0.04, 0.12], [0, 0.08, 0.081, 0.12]),
        ([9.0, 9.04, 0.0, 0.1], [0, 0.04, 0.08, 0.18]),  # a clock set anew
    ],
)
def test_a_clock_only_goes_on(stated, seconds):
    assert _seconds(stated) == seconds


def test_a_rate_is_constant_to_a_millisecond():
    for rate in (24, 25, 30, 30000 / 1001, 12.5):
        times = np.round(at_rate(rate, 200), 3)  # as Matroska rounds
        assert constant_fps(times) == pytest.approx(rate, rel=1e-4)
    assert constant_fps(np.round(at_rate(30, 200), 3)) == 30.0
    times[100:] += 0.01
    assert constant_fps(times) is None and constant_fps(np.zeros(1)) is None


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([], "must be"), ([0, 1, 1], "each after"), ([0, np.nan], "each after"), ([[0, 1]], "must be"),
        ([0, 9.0], "2 frames in 9.0 s.*less than 1 a second"), ([0, 1e9], "lasts 1000000000 s"),
    ],
)
def test_times_of_no_dance_are_refused(times, message):
    with pytest.raises(ValueError, match=message):
        checked(np.array(times))


def test_times_start_at_zero():
    np.testing.assert_allclose(checked(np.array([3, 3.5, 3.6])), [0, 0.5, 0.6])
