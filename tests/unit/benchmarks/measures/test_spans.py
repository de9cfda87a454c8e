import threading
import types

from benchmarks.measures.spans import Call, Spans


class Clock:
    """Goes on by one at each look, twice as fast as the processor's."""

    now = 0.0

    def __call__(self):
        self.now += 1
        return self.now

    def processor(self):
        return self.now / 2


def made():
    clock = Clock()
    return Spans(clock, clock.processor)


def test_what_is_measured_inside_is_not_the_outer_ones_own():
    spans = made()
    with spans.span("outer"), spans.span("inner"):
        pass
    assert spans.calls == {"inner": [Call(2, 1, 1, 0.5)], "outer": [Call(1, 3, 2, 1.0)]}


def test_functions_are_timed_inside_the_block_and_as_they_were_after_it():
    owner, spans = types.SimpleNamespace(add=lambda a, b: a + b), made()
    before = owner.add
    with spans.around(adding=(owner, "add")):
        assert owner.add(1, b=2) == 3
    assert owner.add is before and owner.add(1, 2) == 3
    assert spans.own("adding") == [1.0] and spans.median("adding") == 1.0 and spans.median("nothing") == 0


def test_another_thread_is_not_inside():
    spans = made()
    with spans.span("here"):
        thread = threading.Thread(target=spans.timed("there", lambda: None))
        thread.start()
        thread.join()
    assert spans.calls["here"][0].own == spans.calls["here"][0].seconds > spans.calls["there"][0].seconds
