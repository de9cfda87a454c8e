"""Stage 0, the image autoencoder: configs/autoencoder.py, xdancer_jax/stages/autoencoder.py."""

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from ml_collections import ConfigDict

from data_pipeline import image_files, music
from data_pipeline.schema import FRAMES
from launch.figures import grids
from launch.figures.data import Data
from launch.figures.videos import video_figures
from launch.runs import sharing
from launch.runs.loading import Run
from launch.stages import Window
from xdancer_jax import sharding
from xdancer_jax.evals.protocols import Result
from xdancer_jax.models.autoencoder import AutoencoderKL
from xdancer_jax.stage import Stage
from xdancer_jax.stages import autoencoder

_SHOWN = 4  # frames of a clip in a picture

def earlier(config: ConfigDict) -> dict[str, str]:
    return {}


def modules(config: ConfigDict) -> dict[str, nn.Module]:
    return {"autoencoder": module(config)}


def module(config: ConfigDict, dtype: str | None = None) -> AutoencoderKL:
    """Of an autoencoder's config, whatever stage it stands in; computing in `dtype` if not in the config's."""
    return AutoencoderKL(**config.model, dtype=dtype or config.dtype, param_dtype=config.param_dtype)


def make(config: ConfigDict) -> Stage:
    return autoencoder.make(module(config), **config.loss)


def window(config: ConfigDict, train: bool) -> Window:
    return Window("frames", {"height": config.data.height, "width": config.data.width})


def check(config: ConfigDict) -> None:
    widths, groups = config.model.block_out_channels, config.model.norm_groups
    if any(width % groups for width in widths):
        raise ValueError(f"config.model.norm_groups={groups}: must divide config.model.block_out_channels={widths}")


def figures(run: Run, data: Data) -> list[Result]:
    """Reconstruction of one frame a second, beside repeating each clip's first."""
    reconstruct, records = _reconstruct(run), data.records([FRAMES])
    shortest = min(len(record[FRAMES]) for record in records)

    def made(record: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        frames = np.stack([image_files.decode_jpeg(frame) for frame in record[FRAMES][: shortest : music.FPS]])
        return reconstruct(frames), frames, frames[0]

    return video_figures(sharing.divided(records, made))


def samples(run: Run, data: Data) -> np.ndarray:
    """A picture: frames of each clip, a second apart, and under them their reconstructions."""
    reconstruct, records, clips = _reconstruct(run), data.records([FRAMES]), []
    last = min([_SHOWN * music.FPS, *(len(record[FRAMES]) for record in records)])
    for record in records:
        frames = np.stack([image_files.decode_jpeg(frame) for frame in record[FRAMES][: last : music.FPS]])
        clips.append(grids.strips(frames, np.round(255 * reconstruct(frames)).astype(np.uint8)))
    return grids.tile(clips)


def _reconstruct(run: Run) -> Callable[[np.ndarray], np.ndarray]:
    """Frames (F, H, W, 3) uint8 -> reconstructions in [0, 1], on this process's first device."""
    function, weights = jax.jit(run.stage.functions["reconstruct"]), sharding.here((run.params, run.extra))
    return lambda frames: np.asarray(function(*weights, {"frames": frames}, jax.random.key(0))["frames"])
