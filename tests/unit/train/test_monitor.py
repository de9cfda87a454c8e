import json

import jax.numpy as jnp
import pytest

from xdancer_jax.train.monitor import Monitor


def metrics(**changes):
    return {name: jnp.float32(value) for name, value in ({"loss": 1.0, "grad_norm": 2.0} | changes).items()}


def test_lines_are_written_every_log_every_and_at_the_end(tmp_path):
    with Monitor("toy", tmp_path, 0, 5, 2, 8) as monitor:
        for step in range(1, 6):
            monitor.read(step, metrics(loss=step))
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(row["step"], row["loss"]) for row in rows] == [(2, 2.0), (4, 4.0), (5, 5.0)]
    assert monitor.metrics["loss"] == 5.0


@pytest.mark.parametrize("bad", [
    {"loss": float("nan")}, {"loss": float("inf")}, {"grad_norm": float("nan")},
    {"update_norm": float("nan")}, {"update_norm": float("inf")},
])
def test_what_is_not_finite_stops_the_run(tmp_path, bad):
    with Monitor("toy", tmp_path, 0, 5, 1, 8) as monitor, pytest.raises(FloatingPointError, match="step 4: not finite"):
        monitor.read(4, metrics(**bad))


def test_paused_time_does_not_count(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("xdancer_jax.train.monitor.time.perf_counter", lambda: now[0])
    with Monitor("toy", tmp_path, 0, 9, 1, 8) as monitor:
        for step in range(1, 5):
            assert monitor.steps_per_second == 0.0  # two steps are no measurement
            now[0] += 2.0
            monitor.read(step, metrics())
            with monitor.paused():
                now[0] += 100.0
    assert monitor.steps_per_second == 0.5
