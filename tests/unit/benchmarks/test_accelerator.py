import pytest

from tests import command_line

accelerator = command_line.imported("benchmarks.accelerator")


def test_dances_at_once_give_their_number_times_the_speed_of_each():
    found = accelerator.dancing("tiny", rows=2, frames=40, repeats=1, rate=1e10)
    assert found["dance_a_second"] == pytest.approx(2 * found["real_time_each"])
    assert found["first_dance_seconds"] > 40 / 30 / found["real_time_each"]  # it compiles
    assert 0 < found["bandwidth_fraction"] < 1


def test_a_training_step_is_timed_and_its_flops_are_counted():
    model = {"num_layers": 1, "width": 32, "num_heads": 2, "segment_frames": 16}
    found = accelerator.training("small", repeats=1, batch_size=2, remat="dots", model=model)
    assert found["slots_per_second"] == pytest.approx(2 * (64 + 240 + 480) / found["seconds"])
    assert found["mfu"] is None  # the peak of this device is not listed
