"""Motions in space: AIST++'s files, SMPL joints and rotations, .bvh. What projection.project sees as pictures."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from data_pipeline import bvh, smpl
from data_pipeline.files import existing
from data_pipeline.pose_formats import COCO_BODY

_LARGEST: Final = 256 << 20  # bytes of a .csv file
_COLUMNS: Final = 72  # 24 joints
_ROTATED: Final = 22  # joints of the body that SMPL, SMPL-H and SMPL-X share
_RATES: Final = ("fps", "mocap_framerate", "mocap_frame_rate")
_AIST_FPS: Final = 60
# the arrays of each form, all of which must be there
_FORMS: Final = (
    ("keypoints3d_optim",), ("keypoints3d",), ("smpl_poses", "smpl_trans"), ("joints",), ("poses", "trans"),
)  # fmt: skip
NAMES: Final = (*(name for form in _FORMS for name in form), "smpl_scaling", *_RATES)


class Motion(NamedTuple):
    """joints: (F, 60, 3) in any unit, NaN for what the source has not. fps: what the file says; usual_fps: what such
    files have where nobody says; None for neither. up: as projection.project takes it."""

    joints: np.ndarray
    fps: float | None = None
    usual_fps: float | None = None
    up: str | None = None


def are_in(names: Collection[str]) -> bool:
    """Whether arrays of these names are a motion."""
    return any(set(form) <= set(names) for form in _FORMS)


def is_one(array: np.ndarray) -> bool:
    """Whether an array is a motion by its shape: (F, N, 3), N as many joints as SMPL, SMPL-H or SMPL-X have."""
    return array.ndim == 3 and array.shape[2] == 3 and array.shape[1] in smpl.COUNTS


def of_mapping(content: Mapping[str, Any]) -> Motion:
    """A motion of named arrays:

    "keypoints3d_optim" or "keypoints3d" (F, 17, 3), COCO's joints, y up, 60 a second: AIST++'s;
    "smpl_poses" (F, 66 or more) axis angles, "smpl_trans" (F, 3): with "smpl_scaling", by which places are divided,
    AIST++'s, y up, 60 a second; without, EDGE's, z up;
    "joints" (F, N, 3), N as smpl.COUNTS;
    "poses" (F, 66 or more), "trans" (F, 3), "mocap_framerate": AMASS's, z up.

    Raises ValueError for other shapes.
    """
    form = next(form for form in _FORMS if set(form) <= set(content))
    arrays = [_numbers(content[name], name) for name in form]
    fps = next((float(np.asarray(content[name]).item()) for name in _RATES if name in content), None)
    if form[0].startswith("keypoints3d"):
        _expect(arrays[0], form[0], (17, 3))
        return Motion(smpl.from_named(arrays[0], COCO_BODY), fps, _AIST_FPS, "y")
    if form == ("joints",):
        if not is_one(arrays[0]):
            counts = ", ".join(map(str, smpl.COUNTS))
            raise ValueError(f"joints: expected (any, N, 3) with N one of {counts}, got {arrays[0].shape}")
        return Motion(smpl.from_smpl(arrays[0]), fps)
    rotations, places = arrays
    if rotations.ndim != 2 or rotations.shape[1] < 3 * _ROTATED or rotations.shape[1] % 3:
        raise ValueError(f"{form[0]}: expected (any, 66 or more) axis angles, got {rotations.shape}")
    _expect(places, form[1], (3,))
    if len(places) != len(rotations):
        raise ValueError(f"{len(places)} rows of {form[1]} beside {len(rotations)} of {form[0]}")
    scaling = content.get("smpl_scaling")
    places = places / (1 if scaling is None else float(np.asarray(scaling).item()))
    joints = smpl.positions(rotations[:, : 3 * _ROTATED].reshape(-1, _ROTATED, 3), places)
    return Motion(smpl.from_smpl(joints), fps, *((None, "z") if scaling is None else (_AIST_FPS, "y")))


def read_csv(path: Path) -> Motion:
    """24 SMPL joints a row, x, y, z of each, z up, no header: slices of AIST++ as they go round."""
    if existing(path).stat().st_size > _LARGEST:
        raise ValueError(f"{path.stat().st_size} bytes; at most {_LARGEST} are read")
    rows = np.loadtxt(path, delimiter=",", ndmin=2)
    _expect(rows, "a row", (_COLUMNS,))
    return Motion(smpl.from_smpl(rows.reshape(len(rows), -1, 3)), up="z")


def read_bvh(path: Path) -> Motion:
    """As bvh.read_bvh."""
    return Motion(*bvh.read_bvh(path))


def _numbers(value: Any, name: str) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name}: no numbers")
    return array.astype(np.float64)


def _expect(array: np.ndarray, name: str, shape: tuple[int, ...]) -> None:
    if array.shape[1:] != shape or array.ndim == 0:
        raise ValueError(f"{name}: expected (any, {', '.join(map(str, shape))}), got {array.shape}")


__all__ = ["NAMES", "Motion", "are_in", "is_one", "of_mapping", "read_bvh", "read_csv"]
