"""Our own pose file: .npz with poses (F, 60, 3) in pixels, height, width and fps; of a dance also tokens (F, S, K)."""

import io
import os
import zipfile
import zlib
from pathlib import Path
from typing import Final

import numpy as np

from data_pipeline.files import write_atomically
from data_pipeline.pose_formats import Clip, read_poses
from data_pipeline.skeleton import NUM_JOINTS

_KEYS: Final = ("poses", "height", "width", "fps")


def save_poses(
    path: str | os.PathLike[str], poses: np.ndarray, fps: float, height: int, width: int,
    tokens: np.ndarray | None = None,
) -> None:
    """Writes poses (F, 60, 3) in pixels of a height x width frame, whole or not at all. Raises ValueError as load_poses
    would."""
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"{path}: a pose file is named .npz")
    clip = _checked(path, np.asarray(poses, np.float32), height, width, fps, tokens)
    content = io.BytesIO()
    np.savez_compressed(content, **{key: value for key, value in clip._asdict().items() if value is not None})
    write_atomically(path, content.getvalue())


def load_poses(path: str | os.PathLike[str]) -> Clip:
    """Reads what save_poses wrote, or any layout that pose_formats.read_poses knows.

    Raises FileNotFoundError, or ValueError with one line that names the file and what is wrong with it.
    """
    path = Path(path)
    if path.suffix != ".npz" or not path.is_file():
        return read_poses(path)
    if not zipfile.is_zipfile(path):  # numpy would call it a pickle and tell how to load it all the same
        raise ValueError(f"{path}: not a readable .npz file (no zip archive)")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            values = {key: data[key] for key in (*_KEYS, "tokens") if key in data}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        raise ValueError(f"{path}: not a readable .npz file ({error})") from error
    if "poses" not in values:
        return read_poses(path)
    missing = [key for key in _KEYS if key not in values]
    if missing:
        raise ValueError(f"{path}: pose file without {', '.join(missing)}; it needs {', '.join(_KEYS)}")
    poses, *scalars = (values[key] for key in _KEYS)
    if any(value.dtype.kind not in "iuf" for value in (poses, *scalars)) or any(value.size != 1 for value in scalars):
        raise ValueError(f"{path}: poses must be numbers, and height, width and fps single ones")
    return _checked(path, poses.astype(np.float32), *(value.item() for value in scalars), values.get("tokens"))


def _checked(
    path: Path, poses: np.ndarray, height: float, width: float, fps: float, tokens: np.ndarray | None
) -> Clip:
    if poses.ndim != 3 or poses.shape[1:] != (NUM_JOINTS, 3) or len(poses) == 0:
        raise ValueError(f"{path}: poses must be (F, {NUM_JOINTS}, 3) with F > 0, got {poses.shape}")
    if not np.isfinite(poses).all():
        raise ValueError(f"{path}: poses hold NaN or infinity; mark a joint that is not seen by confidence 0")
    if poses[..., 2].min() < 0 or poses[..., 2].max() > 1:
        raise ValueError(f"{path}: confidences must lie in [0, 1]")
    if not (height > 0 and width > 0 and fps > 0):
        raise ValueError(f"{path}: height {height}, width {width} and fps {fps} must be positive")
    if tokens is not None and (tokens.ndim == 0 or len(tokens) != len(poses)):
        raise ValueError(f"{path}: tokens {tokens.shape} beside {len(poses)} poses; there must be one set a pose")
    return Clip(poses, int(height), int(width), float(fps), tokens)
