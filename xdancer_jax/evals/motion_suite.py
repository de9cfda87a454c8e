"""All motion metrics of one set of dances: what launch.evaluate writes of the motion stage (docs/metrics.md)."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from xdancer_jax.evals.beat_alignment import BAS_MASKED_100MS, SOURCES
from xdancer_jax.evals.beat_report import beat_alignment_report
from xdancer_jax.evals.geometric import GEOMETRIC_2D
from xdancer_jax.evals.jerk import Jerk, jerk_report
from xdancer_jax.evals.joints import BODY_INDICES
from xdancer_jax.evals.kinetic import KINETIC_2D, KINETIC_2D_BODY, KINETIC_2D_LEGACY
from xdancer_jax.evals.mace2d import GeometricMace2D, KineticMace2D
from xdancer_jax.evals.motion_distance import MotionDistance
from xdancer_jax.evals.motion_set import MotionSet
from xdancer_jax.evals.normalisation import MACE
from xdancer_jax.evals.protocols import Result

# Ours over all joints; the sources' over neck and limbs, which 3-D baselines have too.
BEATS = (BAS_MASKED_100MS, *(dataclasses.replace(source, joints=BODY_INDICES) for source in SOURCES))
DISTANCES = (
    *(MotionDistance(features) for features in (KINETIC_2D, KINETIC_2D_BODY, KINETIC_2D_LEGACY, GEOMETRIC_2D)),
    *(MotionDistance(features, MACE, "ownnorm") for features in (KineticMace2D(), GeometricMace2D())),
)


def motion_results(
    motions: MotionSet, truth: MotionSet, beats: Sequence[np.ndarray], songs: Sequence[str] = ()
) -> list[Result]:
    """Of motions (F, 60, 3), record coordinates, beside the real ones to the same songs: beat alignment, ours first;
    diversity and Frechet distance by each set of features; jerk. beats, songs: see beat_alignment_report.

    Raises ValueError for sets that do not fit together, see motion_set.check_pairs.
    """
    found = [beat_alignment_report(each, motions, beats, songs=songs, truth=truth) for each in BEATS]
    for each in DISTANCES:
        found += each.report(motions, truth)
    return [*found, jerk_report(Jerk(), motions, truth)]


__all__ = ["BEATS", "DISTANCES", "motion_results"]
