"""A tokenizer's figures over clips that come one after the other: memory is that of two clips, however many there are.

The same numbers as pose_error_report, CodebookUse and SecondPass give over all clips at once (a test holds them
together): means are sums divided at the end.
"""

from collections.abc import Sequence

import numpy as np

from xdancer_jax.evals.codebook import CodebookUse
from xdancer_jax.evals.pose_error import Parts, PoseL1, pose_l1_half_height
from xdancer_jax.evals.protocols import Result, record
from xdancer_jax.evals.second_pass import Pass, SecondPass
from xdancer_jax.typing import Float, Int, typechecked


class MeanPose:
    """pose_error.mean_pose of poses that are added."""

    def __init__(self, joints: int, min_confidence: float = 0.3):
        self._min, self._poses = min_confidence, 0
        self._places, self._seen, self._confidence = np.zeros((joints, 2)), np.zeros((joints, 1)), np.zeros((joints, 1))

    @typechecked
    def add(self, poses: Float[np.ndarray, "F J 3"]) -> None:
        flat = poses.astype(np.float64)
        visible = flat[..., 2:] > self._min
        self._places += np.where(visible, flat[..., :2], 0).sum(axis=0)
        self._seen += visible.sum(axis=0)
        self._confidence += flat[..., 2:].sum(axis=0)
        self._poses += len(poses)

    def pose(self) -> np.ndarray:
        """(J, 3) float32. Raises ValueError where nothing was added."""
        if not self._poses:
            raise ValueError("mean pose: no poses")
        places = self._places / np.maximum(self._seen, 1)
        return np.concatenate([places, self._confidence / self._poses], axis=-1).astype(np.float32)


class Errors:
    """PoseL1 by part of what is added."""

    def __init__(self, protocol: PoseL1, parts: Parts):
        self._protocol, self._parts = protocol, parts
        self._sums, self._counts = dict.fromkeys(parts, 0.0), dict.fromkeys(parts, 0)

    @typechecked
    def add(self, predicted: Float[np.ndarray, "F J 3"], target: Float[np.ndarray, "F J 3"]) -> None:
        found = self._protocol(predicted, target, self._parts)
        visible = target[..., 2] > self._protocol.min_confidence
        for name, joints in self._parts.items():
            seen = 2 * int(visible[:, list(joints)].sum())  # x and y
            if seen:
                self._sums[name] += found[name] * seen
                self._counts[name] += seen

    def values(self) -> dict[str, float]:
        """NaN for a part of which no joint was visible."""
        return {
            name: self._sums[name] / self._counts[name] if self._counts[name] else float("nan") for name in self._parts
        }


class Reconstruction:
    """What a tokenizer makes of clips.

    baseline: the training set's mean pose (J, 3). entries: of a codebook. token_parts: names of the parts that tokens
    are of. parts: joints by name, over which errors are told.
    """

    def __init__(self, baseline: np.ndarray, entries: int, token_parts: Sequence[str], parts: Parts):
        self._baseline, self._names, self._parts = baseline, list(token_parts), parts
        self._protocol, self._codebook, self._second = pose_l1_half_height(), CodebookUse(entries), SecondPass()
        second = PoseL1(self._second.id, (1.0, 1.0), self._second.min_confidence)
        rows = ("ours", "mean_pose", "repeat_photo", "chance")
        self._errors = {row: Errors(self._protocol, parts) for row in rows}
        self._drift, self._first_error = Errors(second, parts), Errors(second, parts)
        self._used = np.zeros((len(self._names), entries), np.int64)
        self._kept = np.zeros(len(self._names), np.int64)
        self._poses = self._tokens = self._visible = self._clips = 0
        self._start: np.ndarray | None = None  # what was made of the first clip, and the clip before: for chance
        self._before: np.ndarray | None = None

    @typechecked
    def add(self, target: Float[np.ndarray, "F J 3"], first: Pass, second: Pass) -> None:
        """A clip's true poses, and two passes of it. Raises ValueError for passes that do not fit it, or tokens outside
        of the codebook."""
        if first.poses.shape != target.shape or first.tokens.shape != second.tokens.shape:
            raise ValueError(f"poses {target.shape} became {first.poses.shape}, tokens {first.tokens.shape} became "
                             f"{second.tokens.shape}")
        self._errors["ours"].add(first.poses, target)
        self._errors["mean_pose"].add(np.broadcast_to(self._baseline, target.shape).astype(target.dtype), target)
        self._errors["repeat_photo"].add(np.repeat(target[:1], len(target), axis=0), target)
        if self._before is None:
            self._start = first.poses
        else:
            self._chance(first.poses, self._before)
        self._before = target
        self._drift.add(second.poses, np.concatenate([first.poses[..., :2], target[..., 2:]], axis=-1))
        self._first_error.add(first.poses, target)
        self._count(first.tokens, second.tokens)
        self._poses += len(target)
        self._clips += 1
        self._visible += int((target[..., 2] > self._protocol.min_confidence).sum())

    def _chance(self, made: np.ndarray, true: np.ndarray) -> None:
        self._errors["chance"].add(made[: len(true)], true[: len(made)])

    def _count(self, first: Int[np.ndarray, "F S K"], second: Int[np.ndarray, "F S K"]) -> None:
        self._codebook(first, self._names)  # raises for tokens that are none
        for part in range(len(self._names)):
            self._used[part] += np.bincount(first[:, part].reshape(-1), minlength=self._used.shape[1])
        self._kept += (first == second).sum(axis=(0, 2))
        self._tokens += first.size

    def results(self) -> list[Result]:
        """Pose error, codebook use, second pass. Raises ValueError where nothing was added."""
        if self._start is None or self._before is None:
            raise ValueError("reconstruction: no clips")
        if self._clips > 1:
            self._chance(self._start, self._before)
        return [self._pose_error(), self._codebook_use(), self._second_pass()]

    def _pose_error(self) -> Result:
        found = {row: errors.values() for row, errors in self._errors.items()}
        values = dict(found["ours"])
        for name, error in found["mean_pose"].items():
            values[f"{name}/ratio"] = values[name] / error if error > 0 else float("nan")
        for row in ("repeat_photo", "chance"):
            values |= {f"{name}/{row}": error for name, error in found[row].items()}
        return record(self._protocol, values, {"poses": self._poses, "visible_joints": self._visible})

    def _codebook_use(self) -> Result:
        per_part, values = self._tokens // len(self._names), {}
        for name, counts in zip(self._names, self._used, strict=True):
            share = counts[counts > 0] / counts.sum()
            values[f"{name}/used"] = len(share) / len(counts)
            values[f"{name}/perplexity"] = float(np.exp(-(share * np.log(share)).sum()))
        return record(self._codebook, values, {"tokens_per_part": per_part})

    def _second_pass(self) -> Result:
        per_part = self._tokens // len(self._names)
        values = {f"{name}/kept": kept / per_part for name, kept in zip(self._names, self._kept, strict=True)}
        drift, error = self._drift.values(), self._first_error.values()
        for name in self._parts:
            ratio = drift[name] / error[name] if error[name] > 0 else float("nan")
            values |= {f"{name}/drift": drift[name], f"{name}/error": error[name], f"{name}/drift_ratio": ratio}
        return record(self._second, values, {"poses": self._poses, "tokens": self._tokens})


__all__ = ["Errors", "MeanPose", "Reconstruction"]
