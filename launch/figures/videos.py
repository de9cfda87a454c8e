"""Painted clips beside the true ones: of the video stage and of the autoencoder."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from data_pipeline import image_files
from data_pipeline.schema import FRAMES
from launch.figures.data import Data
from launch.making import dances, painting
from launch.runs import sharing
from launch.runs.loading import Run
from xdancer_jax.evals.protocols import Result
from xdancer_jax.evals.video_quality import PSNR, FrameL1, video_report


def video_figures(clips: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> list[Result]:
    """Of (generated frames, true frames, photo) a clip, as `self_driven` has them."""
    frames, target, photos = (np.stack(column) for column in zip(*clips, strict=True))
    return [video_report(metric, frames, target, photos) for metric in (PSNR(), FrameL1())]


def self_driven(run: Run, data: Data) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(generated frames, true frames, photo) of each clip, uint8. Several processes, each with the run on its own
    devices, divide the clips."""
    paint, records = painting.painter(run, None), data.records(["poses", FRAMES])
    with tqdm(total=len(records), desc="clips", unit="clip", disable=jax.process_index() > 0) as bar:

        def made(record: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            clip = drive(run, paint, record, data)
            bar.update(min(jax.process_count(), bar.total - bar.n))
            return clip

        return sharing.divided(records, made)


def drive(
    run: Run, paint: Callable[..., np.ndarray], record: Mapping[str, Any], data: Data
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(generated frames, true frames, photo) of one clip: its middle, from its first frame and the true poses."""
    start = max(0, (len(record["poses"]) - data.frames) // 2)
    window = slice(start, start + data.frames)
    photo, *target = (image_files.decode_jpeg(frame) for frame in [record[FRAMES][0], *record[FRAMES][window]])
    dancer = painting.Dancer(photo, record["poses"][0])
    decoded = run.config.pose_control == "motion_decoder"
    tokens = dances.tokens_of(run, record["poses"])[window] if decoded else None
    return paint(dancer, dances.Dance(record["poses"][window], tokens), data.seed), np.stack(target), photo
