"""What the flags of sampling change in a run's config, and what they refuse."""

import dataclasses

import pytest
from ml_collections import ConfigDict

from configs import video
from launch.making import painting_flags


@dataclasses.dataclass
class Run:
    config: ConfigDict
    workdir: str = "out/video"


@pytest.fixture
def run():
    return Run(video.get_config("paper_motion"))


def test_the_sampler_may_be_another(run):
    config = painting_flags.changed(run, {"sampler.solver": "dpmsolver++", "sampler.guidance": 2.0}).config
    assert (config.sampler.solver, config.sampler.guidance, config.sampler.num_steps) == ("dpmsolver++", 2.0, 20)
    assert run.config.sampler.solver == "ddim"
    with pytest.raises(ValueError, match="config.sampler.weights='hann'"):
        painting_flags.changed(run, {"sampler.weights": "hann"})


@pytest.mark.parametrize("field, value, flag", [
    ("schedule.kind", "linear", "--schedule=linear"),
    ("schedule.zero_terminal_snr", True, "--zero_terminal_snr=True"),
    ("objective.prediction", "v_prediction", "--prediction=v_prediction"),
])
def test_another_schedule_or_prediction_than_trained_with_is_refused_unless_forced(run, field, value, flag):
    with pytest.raises(ValueError, match=f"{flag}: out/video was trained with config.{field}=.*--force_schedule"):
        painting_flags.changed(run, {field: value})
    table, name = field.split(".")
    forced = {field: value}
    if name == "zero_terminal_snr":  # which epsilon cannot
        with pytest.raises(ValueError, match="cannot start from pure noise"):
            painting_flags.changed(run, forced, force=True)
        forced["objective.prediction"] = "sample"
    assert painting_flags.changed(run, forced, force=True).config[table][name] == value
    same = {field: run.config[table][name]}
    assert painting_flags.changed(run, same).config == run.config


def test_fresh_noise_of_a_solver_that_draws_none_is_refused(run):
    run.config.sampler.eta = 0.5
    with pytest.raises(ValueError, match="config.sampler.eta=0.5"):
        painting_flags.changed(run, {"sampler.solver": "dpmsolver++"})
