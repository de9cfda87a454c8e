import pytest

from benchmarks.measures import overhead
from benchmarks.measures.spans import Call, Spans


def test_what_is_outside_the_program_is_the_overhead_of_a_step():
    spans = Spans()
    spans.calls["program"] = [Call(0, 9.0, 9.0, 9.0)] * 2 + [Call(0, 1.0, 1.0, 1.0)] * 6  # the first turn is slow
    spans.calls["read"] = [Call(0, 0.1, 0.08, 0.02)] * 8
    found = overhead.compared([2.4, 2.2, 2.4], [2.0, 2.0, 2.0], spans, overhead.Sizes(0.5, 2), 8)
    assert found["outside_seconds"] == pytest.approx(0.2) and found["outside_share"] == pytest.approx(0.4)
    assert found["ratio"] == pytest.approx(1.2) and found["ratio_least_and_most"] == pytest.approx([1.1, 1.2])
    assert found["computing_seconds"] == pytest.approx(0.02)
    assert found["microseconds_a_step"] == {"read": pytest.approx([8e4, 2e4])}
