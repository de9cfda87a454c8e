"""Music features that were made elsewhere (Jukebox, MERT, ...): arrays in .npy and .npz files."""

import math
import os
from pathlib import Path
from typing import Final

import numpy as np

from data_pipeline import npz_files
from data_pipeline.feature_sets import width_of
from data_pipeline.files import existing, one_line
from data_pipeline.music.timing import FPS

_USUAL: Final = "features"  # the array's name in an .npz file that holds several
_MAX_MISSING: Final = 15  # frames that features may end before their video


def read(path: str | os.PathLike, name: str, rate: float, num_frames: int | None = None) -> np.ndarray:
    """Features of one song at 30 fps.

    Args:
        path: .npy, of which no more is read than is wanted, or .npz, whose array is its only one, or the one called
            `name` or "features". (T, width) numbers, row i centred on i / rate s.
        name: of the feature set; ends in its width.
        rate: rows a second.
        num_frames: rows wanted; up to 0.5 s more than there are repeat the last. Default: as many as there are.

    Returns:
        (F, width) float32, row t at t / 30 s: between neighbours linear; of more than 30 rows a second the average
        under a triangle of two frames' width. At 30 rows a second these are the file's own.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that is none, rows of another width, NaN, too few of them. It names the file.
    """
    width = width_of(name)
    path = existing(path)
    if not (math.isfinite(rate) and rate > 0):
        raise ValueError(f"{path}: {rate} rows a second are no rate; state that of the features")
    rows = _array(path, name)
    if rows.ndim != 2 or rows.shape[1] != width or len(rows) == 0 or rows.dtype.kind not in "fiu":
        turned = "; turn it round" if rows.ndim == 2 and rows.shape[0] == width else ""
        raise ValueError(f"{path}: {rows.dtype} {rows.shape}, {name} has numbers (rows, {width}){turned}")
    available = max(1, round(len(rows) * FPS / rate))
    frames = available if num_frames is None else num_frames
    if available + _MAX_MISSING < frames:
        raise ValueError(
            f"{path}: too short, {len(rows)} rows at {rate:g} a second for {frames} frames ({frames / FPS:.2f} s); "
            "make them of the whole song, and state their rate"
        )
    found = _resampled(rows, rate, frames)
    if not np.isfinite(found).all():
        raise ValueError(f"{path}: holds NaN or infinite values; make the features again")
    return found


def _array(path: Path, name: str) -> np.ndarray:
    if path.suffix.lower() == ".npz":
        known = npz_files.names(path)
        chosen = known[:1] if len(known) == 1 else [each for each in (name, _USUAL) if each in known][:1]
        if not chosen:
            raise ValueError(f"{path}: holds {', '.join(known[:8]) or 'nothing'}; call the array {_USUAL}")
        return npz_files.read(path, chosen)[chosen[0]]
    if path.suffix.lower() != ".npy":
        raise ValueError(f"{path}: features are .npy or .npz files; store them as one")
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError, SyntaxError, TypeError) as error:
        raise ValueError(f"{path}: not a readable .npy file ({one_line(error)})") from error


def _resampled(rows: np.ndarray, rate: float, frames: int) -> np.ndarray:
    """(frames, width) float32: around each frame's place the average of rows (T, width) under a triangle."""
    places = np.minimum(np.arange(frames) * rate / FPS, len(rows) - 1)
    half = max(1.0, rate / FPS)  # rows from the triangle's top to its foot
    below, reach = np.floor(places).astype(int), math.ceil(half)
    total = np.zeros((frames, 1), np.float32)
    found = np.zeros((frames, rows.shape[1]), np.float32)
    for step in range(1 - reach, reach + 1):
        index = below + step
        weight = np.maximum(0, 1 - np.abs(index - places) / half) * ((index >= 0) & (index < len(rows)))
        used = np.flatnonzero(weight)
        weight = weight[used, None].astype(np.float32)
        found[used] += weight * rows[index[used]].astype(np.float32)
        total[used] += weight
    return found / total


__all__ = ["read"]
