import pytest

from benchmarks.measures import long_run
from benchmarks.measures.long_run import Held


def test_quarters_are_medians():
    first, last = long_run.quarters([Held(n, 10, 5, 0) for n in (1, 9, 2, 4, 4, 4, 4, 4, 4, 30, 20, 10)])
    assert (first, last) == (Held(2, 10, 5, 0), Held(20, 10, 5, 0))


@pytest.mark.parametrize("change", [{"resident": 103}, {"handles": 11}, {"threads": 6}, {"loaders": 206}])
def test_whatever_grows_is_not_flat(change):
    first = Held(100, 10, 5, 200)
    assert long_run.flat(first, first) and long_run.flat(first, first._replace(resident=101))
    assert not long_run.flat(first, first._replace(**change))


def test_this_process_holds_memory_and_handles(tmp_path):
    before = long_run.look()
    with (tmp_path / "file").open("w"):
        assert long_run.look().handles == before.handles + 1
    assert before.resident > 1e6 and before.threads >= 1
