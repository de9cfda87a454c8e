import gzip
import json

import jax
import jax.numpy as jnp
import pytest

from xdancer_jax.train.profiling import Profiler


@pytest.fixture
def traced(monkeypatch):
    """What is asked of JAX's profiler, which takes seconds to start, in turn."""
    calls = []
    monkeypatch.setattr(jax.profiler, "start_trace", lambda path: calls.append(path.split("/")[-1]))
    monkeypatch.setattr(jax.profiler, "stop_trace", lambda: calls.append("stop"))
    return calls


def run(profiler, calls, steps, ask=()):
    """Steps, one of which asks for a window while it runs."""
    for step in steps:
        profiler.before(step, None)
        calls.append(step)
        if step in ask:
            profiler.request()
        profiler.after(step, None)


def test_a_window_holds_whole_steps_and_no_others(traced):
    run(Profiler("profile", 3, 2), traced, range(1, 7))
    assert traced == [1, 2, "step-3-process-0", 3, 4, "stop", 5, 6]


def test_a_run_that_goes_on_behind_the_window_has_none(traced):
    run(Profiler("profile", 3, 2), traced, range(4, 7))
    run(Profiler("profile", 0, 2), traced, range(1, 3))
    assert traced == [4, 5, 6, 1, 2]


def test_a_window_on_demand_begins_with_the_next_step(traced):
    run(Profiler("profile", 0, 2), traced, range(1, 9), ask=(2, 3, 6))
    assert traced == [1, 2, "step-3-process-0", 3, 4, "stop", 5, 6, "step-7-process-0", 7, 8, "stop"]


def test_the_end_of_a_run_ends_an_open_window(traced):
    with Profiler("profile", 3, 10) as profiler:
        run(profiler, traced, range(1, 5))
    assert traced == [1, 2, "step-3-process-0", 3, 4, "stop"]


def test_a_profile_that_cannot_be_made_is_a_warning(monkeypatch, caplog, traced):
    def busy(path):
        raise RuntimeError("Profile has already been started.")

    monkeypatch.setattr(jax.profiler, "start_trace", busy)
    run(Profiler("profile", 1, 1), traced, range(1, 3))
    assert traced == [1, 2] and caplog.text.count("no profile, training goes on: Profile has already been") == 1


def test_a_trace_holds_the_steps_that_were_asked_for(tmp_path):
    step = jax.jit(lambda x: jnp.tanh(x @ x))
    state = step(jnp.eye(64))
    with Profiler(tmp_path, 2, 2) as profiler:
        for number in range(1, 5):
            profiler.before(number, state)
            with jax.profiler.TraceAnnotation(f"number {number}"):
                state = step(state)
            profiler.after(number, state)
    [folder] = tmp_path.iterdir()
    assert folder.name == "step-2-process-0"
    [trace] = folder.rglob("*.trace.json.gz")
    names = {event.get("name") for event in json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]}
    assert {f"number {number}" for number in range(1, 5)} & names == {"number 2", "number 3"}
