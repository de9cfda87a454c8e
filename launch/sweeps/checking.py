"""Everything about a sweep that can be known to be wrong before anything starts. This brings in the models, and JAX."""

from collections.abc import Sequence

from launch import stages
from launch.runs import resolve, sources
from launch.shell import config_flag
from launch.sweeps.trials import Trial
from xdancer_jax import paths


def check(trials: Sequence[Trial], data: bool = True) -> None:
    """Raises ValueError, which names the trial, for fields that launch.train would refuse, a part without a source, and
    a data set that is not given or, with `data`, not there."""
    for trial in trials:
        try:
            _check(trial)
            if data:
                _check_data(trial)
        except (ValueError, OSError) as error:
            raise ValueError(f"{trial.id}: {error}") from error


def _check(trial: Trial) -> None:
    config = config_flag.load(trial.config)
    for name, value in trial.fields.items():
        config_flag.set_field(config, name, value)
    resolve.check(config)
    for part in stages.find(config.name).earlier(config):
        sources.text(config, part)
    if not trial.data:
        raise ValueError("config.data.dir is empty: give the prepared data set, --config.data.dir=DIR")


def _check_data(trial: Trial) -> None:
    paths.check_reachable(trial.data)
    if not paths.at(trial.data).is_dir():
        raise ValueError(f"config.data.dir={trial.data}: no such folder; launch.prepare makes a data set")


__all__ = ["check"]
