import pytest

from xdancer_jax.train.retention import Clock, Policy

STEPS = [1, 2, 3, 4, 5, 6]
LOSSES = {1: 3.0, 2: 1.0, 3: 2.0, 4: 1.0, 5: float("nan")}


@pytest.mark.parametrize(("fields", "kept"), [
    ({"newest": 1}, {6}),
    ({"newest": 3}, {4, 5, 6}),
    ({"newest": 9}, set(STEPS)),
    ({"newest": 1, "every_kept": 2}, {2, 4, 6}),
    ({"newest": 1, "best": 1}, {4, 6}),  # of equal ones the newer
    ({"newest": 1, "best": 3}, {2, 3, 4, 6}),
    ({"newest": 1, "best": 1, "larger_is_better": True}, {1, 6}),
    ({"newest": 1, "wait_for_evaluation": True}, {3, 4, 5, 6}),
    ({"newest": 1, "every_kept": 3, "best": 1}, {3, 4, 6}),
])
def test_what_stays(fields, kept):
    assert Policy(**fields).kept(reversed(STEPS), LOSSES, evaluated={1, 2}) == kept


def test_saves_are_due_by_steps_and_by_the_clock():
    assert [step for step in STEPS if Policy(every=3).due(step)] == [3, 6]
    assert not any(Policy(every=0).due(step) for step in STEPS)
    now = [0.0]
    clock = Clock(2.0, lambda: now[0])
    now[0] = 119.0
    assert not clock.due
    now[0] = 120.0
    assert clock.due
    clock.reset()
    assert not clock.due
    now[0] = 1e9
    assert not Clock(0.0, lambda: now[0]).due
