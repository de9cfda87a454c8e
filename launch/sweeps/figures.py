"""The figures of a sweep's runs: which one leads, which run is best, a mean and an interval over seeds.

A figure is named PROTOCOL/FIGURE, as launch.evaluate prints both. Figures of two protocols, or of one with two sets of
constants, are two figures.
"""

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from launch.sweeps import state
from launch.sweeps.trials import Trial
from xdancer_jax.evals.protocols import Result

# Of each stage the figures that tables show, the first in --status, and whether the best is the largest.
HEADLINES: Mapping[str, Mapping[str, bool]] = {
    "tokenizer": {
        "pose_l1_half_height/full_body": False, "pose_l1_half_height/head": False, "pose_l1_half_height/hands": False,
    },
    "motion": {
        "bas_masked_100ms/fraction": True, "bas_masked_100ms/score": True, "div_gtnorm_kinetic_2d/diversity": True,
        "fid_gtnorm_kinetic_2d_body/distance": False,
    },
    "autoencoder": {"psnr_float/score": True, "frame_l1_mean/score": False},
    "video": {"psnr_float/score": True, "frame_l1_mean/score": False},
}


@dataclasses.dataclass(frozen=True, order=True)
class Column:
    """A figure under one protocol with one set of constants (JSON)."""

    protocol: str
    figure: str
    constants: str

    @property
    def name(self) -> str:
        return f"{self.protocol}/{self.figure}"


@dataclasses.dataclass(frozen=True)
class Cell:
    """Mean of a row's runs, half of its 95% t interval (NaN of one run), the runs behind it."""

    mean: float
    half: float
    runs: int


def of_trial(trial: Trial, out: str) -> dict[Column, float]:
    """The figures of a trial's last step; of several evaluations of one figure the newest."""
    return of_results(state.figures(trial, out, {}))


def of_results(results: Iterable[Result]) -> dict[Column, float]:
    """Figures by column; those that are not defined (NaN) are left out."""
    found = {}
    for result in results:
        constants = json.dumps(dict(result.constants), sort_keys=True)
        found |= {
            Column(result.protocol, figure, constants): value
            for figure, value in result.values.items() if math.isfinite(value)
        }
    return found


def cell(values: Sequence[float]) -> Cell:
    """Of independent runs."""
    from scipy import special  # here: it takes longer to import than all else that a look at a sweep needs

    count = len(values)
    half = special.stdtrit(count - 1, 0.975) * np.std(values, ddof=1) / math.sqrt(count) if count > 1 else math.nan
    return Cell(float(np.mean(values)), float(half), count)


def headline(stage: str) -> str:
    """Name of the figure that a stage's runs are shown with."""
    return next(iter(HEADLINES.get(stage, {})), "")


def value(found: Mapping[Column, float], name: str) -> float | None:
    """The figure `name`; None where there is none. Raises ValueError where it was made with two sets of constants."""
    several = {column: each for column, each in found.items() if column.name == name}
    if len(several) > 1:
        told = " and ".join(sorted(column.constants for column in several))
        raise ValueError(f"{name} was measured with different constants, which cannot be compared: {told}")
    return next(iter(several.values()), None)


def best(found: Mapping[Trial, Mapping[Column, float]], name: str, largest: bool | None) -> Trial:
    """The trial with the best figure `name`.

    largest: which is best; None to look it up.

    Raises:
      ValueError: no trial has it; runs were measured with different constants; `largest` is None and not known.
    """
    columns = {column for figures in found.values() for column in figures if column.name == name}
    if not columns:
        known = sorted({column.name for figures in found.values() for column in figures})
        raise ValueError(f"--best={name}: no finished run has this figure; there are {', '.join(known) or 'none'}")
    if len(columns) > 1:
        told = " and ".join(sorted(column.constants for column in columns))
        raise ValueError(f"--best={name}: runs were measured with different constants, and cannot be compared: {told}")
    if largest is None:
        directions = {name: best for figures in HEADLINES.values() for name, best in figures.items()}
        if name not in directions:
            raise ValueError(f"--best={name}: is the largest or the smallest best? Give --best_is")
        largest = directions[name]
    column = columns.pop()
    measured = {trial: figures[column] for trial, figures in found.items() if column in figures}
    return (max if largest else min)(measured, key=measured.__getitem__)


def rows(found: Mapping[Trial, Mapping[Column, float]]) -> dict[tuple[str, str], dict[Column, Cell]]:
    """{(stage, row): cells by column} over the runs of each row, in the order of the sweep."""
    values: dict[tuple[str, str], dict[Column, list[float]]] = {}
    for trial, figures in found.items():
        row = values.setdefault((trial.stage, trial.row), {})
        for column, each in figures.items():
            row.setdefault(column, []).append(each)
    return {name: {column: cell(each) for column, each in row.items()} for name, row in values.items()}


__all__ = ["HEADLINES", "Cell", "Column", "best", "cell", "headline", "of_results", "of_trial", "rows", "value"]
