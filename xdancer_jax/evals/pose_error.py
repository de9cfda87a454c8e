"""How far off are reconstructed poses? Mean absolute error over visible joints (docs/metrics.md)."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from xdancer_jax.evals.protocols import Result, record
from xdancer_jax.typing import Float, typechecked

Parts = Mapping[str, Sequence[int]]


@dataclasses.dataclass(frozen=True)
class PoseL1:
    """Mean |x - x_hat| over both coordinates of every joint that is visible in the ground truth.

    Poses come in record coordinates: centred, divided by half the frame height. `scale` turns a difference in (x, y)
    into the protocol's unit.
    """

    id: str
    scale: tuple[float, float]
    min_confidence: float = 0.3

    @typechecked
    def __call__(
        self, predicted: Float[np.ndarray, "*batch J 3"], target: Float[np.ndarray, "*batch J 3"], parts: Parts
    ) -> dict[str, float]:
        """Error by part; NaN for a part of which no joint is visible. A part is a list of joint indices."""
        error = np.abs(predicted[..., :2].astype(np.float64) - target[..., :2]) * np.asarray(self.scale)
        visible = target[..., 2] > self.min_confidence
        errors = {}
        for name, joints in parts.items():
            seen = error[..., list(joints), :][visible[..., list(joints)]]
            errors[name] = float(seen.mean()) if seen.size else float("nan")
        return errors


def pose_l1_half_height() -> PoseL1:
    """In record coordinates: 1 is half the frame height on either axis."""
    return PoseL1("pose_l1_half_height", (1.0, 1.0))


def paper_groups(parts: Parts) -> dict[str, tuple[int, ...]]:
    """The parts, and the groups of the paper's table: "full_body" (every joint), "hands" (both; "head" is a part).

    Hands are the parts whose name ends in "hand".
    """
    groups = {name: tuple(joints) for name, joints in parts.items()}
    hands = tuple(j for name, joints in groups.items() if name.endswith("hand") for j in joints)
    return groups | {"full_body": tuple(j for joints in groups.values() for j in joints), "hands": hands}


@typechecked
def mean_pose(poses: Float[np.ndarray, "*batch J 3"], min_confidence: float = 0.3) -> Float[np.ndarray, "J 3"]:
    """Each joint's mean place where it is visible (0, 0 where it never is) and mean confidence, over all poses."""
    flat = poses.reshape(-1, *poses.shape[-2:]).astype(np.float64)
    visible = flat[..., 2:] > min_confidence
    place = np.where(visible, flat[..., :2], 0).sum(axis=0) / np.maximum(visible.sum(axis=0), 1)
    return np.concatenate([place, flat[..., 2:].mean(axis=0)], axis=-1).astype(np.float32)


def pose_error_report(
    protocol: PoseL1, predicted: np.ndarray, target: np.ndarray, parts: Parts, baseline: np.ndarray,
    lengths: Sequence[int] = (),
) -> Result:
    """Error of predicted poses (..., J, 3) by part, and as "PART/ratio" its ratio to that of predicting `baseline`
    (J, 3), the training set's `mean_pose`, for every frame: 1 has learnt nothing of the motion. The true poses' own
    error is 0.

    lengths: frames of each clip, where the poses (F, J, 3) are those of several behind each other: gives
    "PART/repeat_photo", the error of each clip's first true pose in all its frames, and "PART/chance", that of the
    next clip's predictions (the first's for the last), over the frames that both have; NaN for one clip. Raises
    ValueError where they do not add up to F.
    """
    ours = protocol(predicted, target, parts)
    theirs = protocol(np.broadcast_to(baseline, target.shape).astype(target.dtype), target, parts)
    values = dict(ours)
    for name, error in theirs.items():
        values[f"{name}/ratio"] = ours[name] / error if error > 0 else float("nan")
    if len(lengths):
        for row, errors in _by_clip(protocol, predicted, target, parts, lengths).items():
            values |= {f"{name}/{row}": error for name, error in errors.items()}
    seen = int((target[..., 2] > protocol.min_confidence).sum())
    return record(protocol, values, {"poses": int(np.prod(target.shape[:-2])), "visible_joints": seen})


def _by_clip(
    protocol: PoseL1, predicted: np.ndarray, target: np.ndarray, parts: Parts, lengths: Sequence[int]
) -> dict[str, dict[str, float]]:
    if sum(lengths) != len(target):
        raise ValueError(f"pose error: clips of {sum(lengths)} frames in all, there are {len(target)} poses")
    ends = np.cumsum(lengths)[:-1]
    made, true = np.split(predicted, ends), np.split(target, ends)
    photo = np.concatenate([np.repeat(clip[:1], len(clip), axis=0) for clip in true])
    found = {"repeat_photo": protocol(photo, target, parts), "chance": dict.fromkeys(parts, float("nan"))}
    if len(true) > 1:
        pairs = zip(true, made[1:] + made[:1], strict=True)
        shared = [(other[: len(clip)], clip[: len(other)]) for clip, other in pairs]
        found["chance"] = protocol(*(np.concatenate(side) for side in zip(*shared, strict=True)), parts)
    return found
