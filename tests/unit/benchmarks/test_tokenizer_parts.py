import numpy as np
import pytest

from tests import command_line

compare = command_line.imported("benchmarks.tokenizer_parts").compare


def test_the_interval_is_students_t_of_paired_differences():
    multi, single = [0.10, 0.20, 0.30], [0.12, 0.23, 0.34]  # differences .02, .03, .04: far apart pair by pair alone
    found = compare(multi, single)
    half = 4.302653 * 0.01 / np.sqrt(3)  # t of 2 degrees of freedom
    np.testing.assert_allclose(
        found[:6], [0.2, 0.23, 0.2 / 0.23, 0.03, 0.03 - half, 0.03 + half], rtol=1e-6
    )
    assert found.better
    assert not compare(single, multi).better
    assert not compare([0.1, 0.2, 0.3], [0.2, 0.2, 0.32]).better  # lower on average, and not surely so


def test_one_seed_has_no_interval():
    with pytest.raises(ValueError, match="--seed: an interval needs two seeds at least, got 1 and 1 runs"):
        compare([0.1], [0.2])
