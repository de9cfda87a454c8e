"""Frames beside the truth, as one picture: a row each for the truth, its skeletons, and what each run painted."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from data_pipeline import poses
from launch.figures.data import Data


def picture(path: Path, clips: Sequence[Sequence[np.ndarray]], every: int = 2, scale: int = 2) -> None:
    """One picture: for each clip its strips (F, H, W, 3) uint8 one below the other, every `every`-th frame."""
    grids = [np.concatenate([np.concatenate(strip[::every], axis=1) for strip in clip]) for clip in clips]
    picture = Image.fromarray(np.concatenate(grids))
    picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST).save(path)


def beside_truth(painted: Mapping[str, Sequence[tuple]], data: Data, clips: int = 3) -> list[list[np.ndarray]]:
    """Strips of the first `clips` clips: truth, skeletons, and what each run painted (videos.self_driven)."""
    found = []
    for i, record in enumerate(data.records(["poses"])[:clips]):
        columns = [of[i] for of in painted.values()]
        target = columns[0][1]
        start = (len(record["poses"]) - data.frames) // 2
        skeletons = poses.draw(record["poses"][start : start + data.frames], *target.shape[1:3])
        found.append([target, skeletons, *(frames for frames, _, _ in columns)])
    return found


__all__ = ["beside_truth", "picture"]
