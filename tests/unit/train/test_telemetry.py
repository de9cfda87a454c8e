import json

import pytest

from xdancer_jax.train import telemetry
from xdancer_jax.train.settings import Settings, Surroundings
from xdancer_jax.train.telemetry import Telemetry


def test_lines_of_metrics_write_the_account_once_a_second(tmp_path, monkeypatch):
    seconds = [100.0]
    monkeypatch.setattr(telemetry.time, "monotonic", lambda: seconds[0])
    told = Telemetry(tmp_path, 0, Settings(0, 9), Surroundings())

    def written():
        return json.loads((tmp_path / "goodput.json").read_text())["step"]

    for step, moment, known in ((1, 100.0, 1), (2, 100.5, 1), (3, 101.0, 3), (4, 101.9, 3)):
        seconds[0] = moment
        told.after(step, {})
        told.figures([0.1], 8)
        assert written() == known
    told.begin()
    with told:
        pass
    assert written() == 4


def test_figures_are_of_the_steps_since_the_last_line(tmp_path):
    found = Telemetry(tmp_path, 0, Settings(0, 9), Surroundings()).figures([1.0, 2.0, 3.0], 8)
    assert found["time/step_seconds"] == 2 and found["examples_per_second"] == 4 and found["time/slowest_step"] == 3
    assert found["time/step_deviation"] == pytest.approx((2 / 3) ** 0.5)
