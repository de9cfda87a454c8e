"""Pictures and videos of several examples: skeletons, pairs, grids."""

import io
import math
import tempfile
from collections.abc import Sequence

import numpy as np
from etils import epath
from PIL import Image

from data_pipeline import music, poses, provenance, video_files
from data_pipeline.files import write_atomically
from xdancer_jax import paths

VIDEO_FRAMES = 5 * music.FPS  # that a video of skeletons covers
_EVERY = 2  # of these frames are drawn: half the time, and still smooth
_PANEL = (168, 96)  # pixels of a skeleton


def skeletons(clip: np.ndarray) -> np.ndarray:
    """Every second frame, (F / 2, H, W, 3) uint8, of poses (F, 60, 3) at 30 fps in record coordinates."""
    return poses.draw(clip[::_EVERY], *_PANEL)


def beside(truth: np.ndarray, made: np.ndarray) -> np.ndarray:
    """Two clips (F, H, W, 3) as the panel of a video, side by side."""
    return np.concatenate([truth, made], axis=-2)


def strips(truth: np.ndarray, made: np.ndarray) -> np.ndarray:
    """Two clips (F, H, W, 3) as the panel of a picture: their frames from left to right, `made` under `truth`."""
    return np.concatenate([np.concatenate(list(clip), axis=1) for clip in (truth, made)])


def tile(panels: Sequence[np.ndarray]) -> np.ndarray:
    """Panels of one shape, (..., H, W, 3), in a grid that is about as wide as it is high in panels; the last row is
    filled up with black. Raises ValueError for no panels."""
    if not panels:
        raise ValueError("a grid of no examples: the split of the data set has no clips")
    columns = math.ceil(math.sqrt(len(panels)))
    filled = [*panels, *[np.zeros_like(panels[0])] * (-len(panels) % columns)]
    rows = [np.concatenate(filled[i : i + columns], axis=-2) for i in range(0, len(filled), columns)]
    return np.concatenate(rows, axis=-3)


def write(stem: epath.Path, grid: np.ndarray) -> epath.Path:
    """STEM.png of a picture, STEM.mp4 of frames at 15 fps, whole or not at all. Raises OSError where it cannot be.
    A video says that some of its pictures, if not all, were made by a model (provenance.COMPOSITE)."""
    if paths.in_store(stem):
        with tempfile.TemporaryDirectory() as folder:
            made = write(epath.Path(folder) / stem.name, grid)
            paths.put(stem.with_name(made.name), made.read_bytes())
        return stem.with_name(made.name)
    stem.parent.mkdir(parents=True, exist_ok=True)
    if grid.ndim == 4:
        path = stem.with_name(f"{stem.name}.mp4")
        video_files.write_video(path, grid, music.FPS / _EVERY, source=provenance.COMPOSITE)
        return path
    path, file = stem.with_name(f"{stem.name}.png"), io.BytesIO()
    Image.fromarray(grid).save(file, "png")
    write_atomically(path, file.getvalue())
    return path


__all__ = ["VIDEO_FRAMES", "beside", "skeletons", "strips", "tile", "write"]
