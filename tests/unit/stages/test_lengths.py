import numpy as np
import pytest

from xdancer_jax.stages.lengths import bucket, filled


@pytest.mark.parametrize(("length", "whole"), [(1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (900, 1024), (1024, 1024)])
def test_a_bucket_is_the_power_of_two_from_a_length_on(length, whole):
    assert bucket(length) == whole


def test_rows_are_filled_behind_and_what_was_there_stays():
    rows = np.arange(12.0).reshape(2, 3, 2) + 1
    for hold, last in ((False, np.zeros((2, 2))), (True, rows[:, -1])):
        whole = filled(rows, hold)
        np.testing.assert_array_equal(whole[:, :3], rows)
        np.testing.assert_array_equal(whole[:, 3], last)
        assert whole.shape == (2, 4, 2)
