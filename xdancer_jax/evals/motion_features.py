"""Features of many motions, for diversity and Frechet distances: what cannot be measured is named and counted."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from xdancer_jax.evals.motion_set import Change, MotionSet, same

_SHOWN = 5  # names in a note


class MotionFeatures(Protocol):
    """A frozen dataclass that makes a row of features of one motion (F, J, D + 1)."""

    @property
    def id(self) -> str: ...

    @property
    def shortest(self) -> int: ...

    def __call__(self, poses: np.ndarray, fps: float) -> np.ndarray: ...


class Rows(NamedTuple):
    """rows (N, C) of the motions that have all features; of those left out how many, and a line each on why."""

    rows: np.ndarray
    left_out: int
    notes: list[str]


def features_of(protocol: MotionFeatures, motions: MotionSet, side: str, change: Change = same) -> Rows:
    """One row a motion, changed by `change`, that is long enough and shows all that is measured. side: what the motions
    are, for notes."""
    short = [len(poses) < protocol.shortest for poses in motions.poses]
    found = {
        name: protocol(change(poses), motions.fps)
        for name, poses, too_short in zip(motions.names, motions.poses, short, strict=True) if not too_short
    }
    rows = [row for row in found.values() if np.isfinite(row).all()]
    undefined = [name for name, row in found.items() if not np.isfinite(row).all()]
    brief = [name for name, too_short in zip(motions.names, short, strict=True) if too_short]
    notes = []
    if undefined:
        lost = sum(int((~np.isfinite(found[name])).sum()) for name in undefined)
        notes.append(
            f"{protocol.id}: {len(undefined)} of {len(motions)} {side} left out, {lost} of their features are not "
            f"defined (joints never seen): {_listed(undefined)}"
        )
    if brief:
        notes.append(
            f"{protocol.id}: {len(brief)} of {len(motions)} {side} left out, shorter than {protocol.shortest} frames: "
            f"{_listed(brief)}"
        )
    width = len(next(iter(found.values()))) if found else 0
    return Rows(np.stack(rows) if rows else np.zeros((0, width)), len(undefined) + len(brief), notes)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


__all__ = ["MotionFeatures", "Rows", "features_of"]
