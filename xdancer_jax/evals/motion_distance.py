"""Diversity of motions and their Frechet distance from real ones, by one set of features, beside their baselines.

Source: mint and Bailando (FID_k, FID_g, DIV_k, DIV_g). A set has no pairs to shuffle, so chance is the real motions
with their frames in random order: right poses, no motion.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xdancer_jax.evals.diversity import Diversity
from xdancer_jax.evals.frechet import Frechet
from xdancer_jax.evals.motion_features import MotionFeatures, Rows, features_of
from xdancer_jax.evals.motion_set import MotionSet, check_rate, repeat_photo, same, shuffled
from xdancer_jax.evals.normalisation import GT, Normalisation
from xdancer_jax.evals.protocols import Result, record

_NAN = float("nan")


@dataclasses.dataclass(frozen=True)
class MotionDistance:
    """Features, and how they are normalised and compared.

    Attributes:
      features: of one motion.
      normalisation: before distances are taken.
      prefix: of the ids of its results, behind "div_" and "fid_".
      minimum: motions on either side below which a result carries a warning.
      seed: of the halves of the real motions, of chance and of the intervals.
      samples: resamples of the interval; 0 for none.
    """

    features: MotionFeatures
    normalisation: Normalisation = GT
    prefix: str = "gtnorm"
    minimum: int = 200
    seed: int = 0
    samples: int = 200

    def report(self, motions: MotionSet, truth: MotionSet) -> list[Result]:
        """DIV, then the Frechet distance, of `motions` beside the real ones, which normalise.

        "diversity", "low", "high"; "distance", "low", "high", "bias" (frechet.Frechet.interval). Both: "ground_truth",
        the real motions themselves, for the distance one half of them from the other; "chance", the real ones with
        their frames shuffled; "repeat_photo", the first pose of each motion held. NaN, with a note, where fewer than
        two motions are left.

        Raises ValueError for sets of different frame rates or joints.
        """
        check_rate(motions, truth)
        sets = {
            "motions": (motions, same), "real motions": (truth, same), "shuffled motions": (truth, shuffled(self.seed)),
            # A longer photo has the same features.
            "photos": (motions, repeat_photo(2 * self.features.shortest)),
        }
        found = {side: features_of(self.features, each, side, change) for side, (each, change) in sets.items()}
        notes = [note for side in ("motions", "real motions") for note in found[side].notes]
        rows = [each.rows for each in found.values()]
        return [self._diversity(motions, found, rows, notes), self._distance(motions, found, rows, notes)]

    def _diversity(
        self, motions: MotionSet, found: Mapping[str, Rows], rows: Sequence[np.ndarray], notes: Sequence[str]
    ) -> Result:
        ours, real, chance, photos = rows
        diversity = Diversity(f"div_{self.prefix}_{self.features.id}", self.normalisation)

        def of(each: np.ndarray) -> float:
            return diversity(each, real) if min(len(each), len(real)) > 1 else _NAN

        low, high = diversity.interval(ours, real) if min(len(ours), len(real)) > 1 else (_NAN, _NAN)
        values = {
            "diversity": of(ours), "low": low, "high": high, "ground_truth": of(real), "chance": of(chance),
            "repeat_photo": of(photos),
        }
        few = _few(diversity.id, diversity.minimum, {"motions": len(ours), "real motions": len(real)})
        return self._result(diversity, motions, found, values, [*notes, *few])

    def _distance(
        self, motions: MotionSet, found: Mapping[str, Rows], rows: Sequence[np.ndarray], notes: Sequence[str]
    ) -> Result:
        real = rows[1]
        frechet = Frechet(
            f"fid_{self.prefix}_{self.features.id}", self.minimum, samples=self.samples, seed=self.seed
        )
        scaled = [self.normalisation(each, real) if len(real) > 1 and len(each) > 1 else each[:0] for each in rows]
        values = frechet_rows(frechet, *scaled)
        few = _few(frechet.id, frechet.minimum, {"motions": len(rows[0]), "real motions": len(real)})
        return self._result(frechet, motions, found, values, [*notes, *few])

    def _result(
        self, protocol: Any, motions: MotionSet, found: Mapping[str, Rows], values: Mapping[str, float],
        notes: Sequence[str],
    ) -> Result:
        ours, real = found["motions"], found["real motions"]
        counts = {
            "motions": len(ours.rows), "real": len(real.rows), "left_out": ours.left_out,
            "real_left_out": real.left_out, **motions.lengths,
        }
        result = record(protocol, values, counts, notes)
        features = dataclasses.asdict(self.features)  # type: ignore[call-overload]
        normalisation = dataclasses.asdict(self.normalisation)
        constants = {**result.constants, "fps": float(motions.fps), "features": features}
        return dataclasses.replace(result, constants=constants | {"normalisation": normalisation})


def frechet_rows(
    frechet: Frechet, ours: np.ndarray, real: np.ndarray, chance: np.ndarray, photos: np.ndarray,
    groups: Sequence[np.ndarray | None] = (None, None),
) -> dict[str, float]:
    """The figures of a Frechet distance beside its baselines, see MotionDistance.report; NaN where a side has fewer
    than two rows. groups: whose rows of `ours` and `real` are, see Frechet.interval."""

    def of(one: np.ndarray, other: np.ndarray) -> float:
        return frechet(one, other) if min(len(one), len(other)) > 1 else _NAN

    order = np.random.default_rng(frechet.seed).permutation(len(real))
    half = len(real) // 2
    low, high, bias = frechet.interval(ours, real, *groups) if min(len(ours), len(real)) > 1 else (_NAN,) * 3
    return {
        "distance": of(ours, real), "low": low, "high": high, "bias": bias,
        "ground_truth": of(real[order[:half]], real[order[half:]]), "chance": of(chance, real),
        "repeat_photo": of(photos, real),
    }


def _few(name: str, minimum: int, sides: Mapping[str, int]) -> list[str]:
    """A line for each side below the protocol's minimum."""
    lines = []
    for side, count in sides.items():
        if count < 2:
            lines.append(f"{name}: {count} {side}, two are needed: not defined")
        elif count < minimum:
            lines.append(f"{name}: {count} {side}, the protocol wants {minimum} or more")
    return lines


__all__ = ["MotionDistance", "frechet_rows"]
