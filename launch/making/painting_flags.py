"""The flags that say how latents are sampled, of the commands that make videos: another way than the run's config has.

A network answers for the noise schedule and the prediction that it was trained with; others give pictures that are
noisy or washed out. So these are refused where they differ from the run's, unless they are forced: some public weights
(Moore-AnimateAnyone's) are sampled under another schedule by their own authors.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from absl import flags

from launch.runs import resolve
from launch.runs.loading import Run
from xdancer_jax.diffusion import prediction, schedules, solvers, windows

_SAMPLER = {
    "solver": flags.DEFINE_enum("solver", None, solvers.NAMES, "The run's if not given."),
    "guidance": flags.DEFINE_float("guidance", None, "Scale; 1 for none; the run's if not given.", lower_bound=0.0),
    "weights": flags.DEFINE_enum(
        "window_weights", None, windows.WEIGHTS, "Where windows meet; the run's if not given."
    ),
    "shift": flags.DEFINE_bool("shift", None, "Whether windows begin elsewhere at each step; the run's if not given."),
}
_TRAINED = {
    "schedule.kind": flags.DEFINE_enum(
        "schedule", None, schedules.KINDS, "Noise schedule; only with --force_schedule other than the run's."
    ),
    "schedule.zero_terminal_snr": flags.DEFINE_bool(
        "zero_terminal_snr", None, "Whether the last time step is pure noise; likewise."
    ),
    "objective.prediction": flags.DEFINE_enum(
        "prediction", None, prediction.KINDS, "What the network's answer means; likewise."
    ),
}
_FORCE = flags.DEFINE_bool("force_schedule", False, "Sample under another schedule or prediction than trained with.")


def applied(run: Run) -> Run:
    """The run with the values of the flags given in its config.

    Raises:
      ValueError: a schedule or prediction that is not the run's and is not forced; values that fit together ill.
    """
    named = {f"sampler.{name}": flag for name, flag in _SAMPLER.items()} | _TRAINED
    given = {name: flag.value for name, flag in named.items() if flag.value is not None}
    return changed(run, given, _FORCE.value) if given else run


def changed(run: Run, values: Mapping[str, Any], force: bool = False) -> Run:
    """As `applied`, of values by dotted name."""
    for name, flag in _TRAINED.items():
        table, field = name.split(".")
        before = run.config[table][field]
        if values.get(name, before) != before and not force:
            raise ValueError(
                f"--{flag.name}={values[name]}: {run.workdir} was trained with config.{name}={before!r}; leave the "
                "flag out, or add --force_schedule to sample otherwise than it was trained"
            )
    config = run.config.copy_and_resolve_references()
    config.update_from_flattened_dict(values)
    prediction.check(config.objective.prediction, config.schedule.zero_terminal_snr)
    resolve.check(config)
    return dataclasses.replace(run, config=config)
