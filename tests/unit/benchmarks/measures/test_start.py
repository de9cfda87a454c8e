import time

import pytest

from benchmarks.measures import start
from benchmarks.measures.spans import Call, Spans


def test_phases_add_up_to_the_end_of_the_first_step():
    spans = Spans()
    spans.calls["restore"] = [Call(5, 2, 2, 0)]
    spans.calls["compile"] = [Call(8, 3, 2.5, 0)]
    spans.calls["first step"] = [Call(11, 1, 1, 0), Call(12, 1, 1, 0)]
    spans.calls["digests"] = [Call(7, 1, 1, 0), Call(13, 9, 9, 0)]  # the second one is a save's
    found = start.phases(spans, started=1.0, imported=4.0)
    assert found == pytest.approx({
        "imports": 3, "restore": 2, "compile": 2.5, "first step": 1, "digests": 1, "rest": 1.5, "total": 11,
    })


def test_seconds_of_imports_are_summed_by_package():
    text = """import time: self [us] | cumulative | imported package
import time:   1000000 |    1000000 |   jax.numpy
import time:    500000 |    1500000 | jax
import time:    250000 |     250000 |     flax.linen
import time:        10 |         10 | os
a warning"""
    assert start.by_package(text, most=2) == pytest.approx({"jax": 1.5, "flax": 0.25})


def test_a_process_knows_its_age():
    before = start.age()
    time.sleep(0.05)
    assert 0.03 < start.age() - before < 5 and before > 0
