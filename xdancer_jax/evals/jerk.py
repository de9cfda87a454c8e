"""Does the motion tremble? Mean length of the third derivative of the joints' places (docs/metrics.md)."""

import dataclasses

import numpy as np

from xdancer_jax.evals.bootstrap import Bootstrap
from xdancer_jax.evals.joints import BODY_INDICES
from xdancer_jax.evals.motion_features import features_of
from xdancer_jax.evals.motion_set import MotionSet, check_rate, norms, repeat_photo, shuffled, split, torso
from xdancer_jax.evals.protocols import Result, record
from xdancer_jax.typing import Float, typechecked


@dataclasses.dataclass(frozen=True)
class Jerk:
    """Mean |d^3 x / dt^3| in torso lengths / s^3, by third differences over four frames in a row that show a joint.

    Source: Flash and Hogan 1985 measure smoothness by squared jerk; dance papers take its mean length, as here. It
    grows with the third power of the frame rate where there is noise: comparable at one rate.

    Attributes:
      joints: those measured; empty for all.
    """

    id: str = "jerk_2d_body"
    joints: tuple[int, ...] = BODY_INDICES
    min_confidence: float = 0.3
    shortest = 4

    @typechecked
    def __call__(self, poses: Float[np.ndarray, "F J 3"], fps: float | int) -> Float[np.ndarray, "1"]:
        """One number; NaN where no joint is seen in four frames in a row, or the torso never."""
        _, scale = torso(poses, self.min_confidence)
        points, _ = split(poses[:, list(self.joints)] if self.joints else poses, self.min_confidence)
        lengths = norms(np.diff(points, 3, axis=0))
        lengths = lengths[np.isfinite(lengths)]
        return np.array([lengths.mean() * float(fps) ** 3 / scale if len(lengths) else np.nan])


def jerk_report(protocol: Jerk, motions: MotionSet, truth: MotionSet) -> Result:
    """"jerk", the mean over motions, between "low" and "high" by bootstrap over them; "ground_truth" that of the real
    ones and "ratio" to it; "chance", the real ones with their frames shuffled; "repeat_photo", the first pose held.

    Motions that are too short or show no joint long enough are left out, named and counted. NaN where none is left.
    Raises ValueError for sets of different frame rates or joints.
    """
    check_rate(motions, truth)
    sets = {"motions": motions, "real motions": truth}
    ours, real = (features_of(protocol, each, side) for side, each in sets.items())
    chance, photo = features_of(protocol, truth, "", shuffled(0)), features_of(protocol, motions, "", repeat_photo(4))
    jerk, true = _mean(ours.rows), _mean(real.rows)
    low, high = Bootstrap()(ours.rows[:, 0]) if len(ours.rows) else (float("nan"),) * 2
    values = {
        "jerk": jerk, "low": low, "high": high, "ground_truth": true, "ratio": jerk / true if true else float("nan"),
        "chance": _mean(chance.rows), "repeat_photo": _mean(photo.rows),
    }
    counts = {"motions": len(ours.rows), "real": len(real.rows), "left_out": ours.left_out}
    counts |= {"real_left_out": real.left_out, **motions.lengths}
    result = record(protocol, values, counts, [*ours.notes, *real.notes])
    return dataclasses.replace(result, constants={**result.constants, "fps": float(motions.fps)})


def _mean(rows: np.ndarray) -> float:
    return float(rows.mean()) if len(rows) else float("nan")


__all__ = ["Jerk", "jerk_report"]
