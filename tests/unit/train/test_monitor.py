import contextlib
import json

import jax.numpy as jnp
import pytest

from xdancer_jax.train.monitor import Monitor
from xdancer_jax.train.packing import Packed
from xdancer_jax.train.settings import Settings, Surroundings
from xdancer_jax.train.telemetry import Telemetry


@contextlib.contextmanager
def watching(workdir, steps, log_every, **settings):
    settings = Settings(0, steps, log_every=log_every, **settings)
    around = Surroundings(clips=lambda step: ["a", "b"])
    telemetry = Telemetry(workdir, 0, settings, around)
    with telemetry, Monitor("toy", workdir, 0, settings, 8, around, telemetry) as it:
        it.begin()
        yield it


def metrics(**changes):
    values = {"loss": 1.0, "grad_norm": 2.0, "update_norm": 1.0, "skipped": 0.0} | changes
    return Packed.of({name: jnp.float32(value) for name, value in values.items()} | {"votes": jnp.zeros(2, jnp.int32)})


def test_lines_are_written_every_log_every_and_at_the_end(tmp_path):
    with watching(tmp_path, 5, 2) as monitor:
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
    with watching(tmp_path, 5, 1) as monitor, pytest.raises(FloatingPointError, match="step 4: not finite"):
        monitor.read(4, metrics(skipped=1, **bad))


def test_paused_time_does_not_count(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("xdancer_jax.train.monitor.time.perf_counter", lambda: now[0])
    with watching(tmp_path, 9, 1) as monitor:
        for step in range(1, 5):
            assert monitor.steps_per_second == 0.0  # two steps are no measurement
            now[0] += 2.0
            monitor.read(step, metrics())
            with monitor.paused():
                now[0] += 100.0
    assert monitor.steps_per_second == 0.5
