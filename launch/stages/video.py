"""Stage 3, the video diffusion: configs/video.py, xdancer_jax/stages/video.py."""

import dataclasses
from collections.abc import Mapping, Sequence

import flax.linen as nn
import numpy as np
from ml_collections import ConfigDict

from data_pipeline.schema import FRAMES
from launch.figures import grids
from launch.figures.data import Data
from launch.figures.videos import drive, self_driven, video_figures
from launch.making import painting
from launch.runs import computed
from launch.runs.loading import Run
from launch.stages import Window
from launch.stages import autoencoder as autoencoder_stage
from launch.stages import tokenizer as tokenizer_stage
from xdancer_jax.diffusion.schedules import NoiseSchedule
from xdancer_jax.evals.protocols import Result
from xdancer_jax.models.image_encoder import ImageEncoder
from xdancer_jax.models.motion_decoder import MotionDecoder
from xdancer_jax.models.pose_guider import PoseGuider
from xdancer_jax.models.reference_net import ReferenceNet
from xdancer_jax.models.unet import UNet
from xdancer_jax.nn.linear import conv
from xdancer_jax.stage import Stage
from xdancer_jax.stages import video
from xdancer_jax.stages.video_networks import Networks

_SHOWN = 4  # frames of a clip in a picture
POSE_CONTROLS = {"none": None, "motion_decoder": MotionDecoder, "pose_guider": PoseGuider}


def earlier(config: ConfigDict) -> dict[str, str]:
    decodes = config.pose_control == "motion_decoder"
    return {"autoencoder": "autoencoder"} | ({"tokenizer": "tokenizer"} if decodes else {})


def networks(config: ConfigDict) -> Networks:
    """Those of a resolved config."""
    model, types = config.model, {"dtype": config.dtype, "param_dtype": config.param_dtype}
    unet = UNet(**model.unet, temporal=config.phase == "motion", **types)
    control = POSE_CONTROLS[config.pose_control]
    tokens = config.pose_control == "motion_decoder"
    return Networks(
        autoencoder=autoencoder_stage.module(config.earlier.autoencoder, config.dtype),
        tokenizer=tokenizer_stage.module(config.earlier.tokenizer) if tokens else None,  # in its own dtype: its tokens
        unet=unet,
        reference_net=ReferenceNet.of(unet),
        image_encoder=ImageEncoder(**model.image_encoder, **types),
        photo=conv(model.unet.block_out_channels[0], (3, 3), zero=True, **types) if config.photo_latents else None,
        pose=control and control(**model[config.pose_control], **types),
    )


def modules(config: ConfigDict) -> dict[str, nn.Module]:
    made = networks(config)
    return {name: made.unet if name == "motion_modules" else getattr(made, name) for name in made.parts()}


def networks_of(parts: Mapping[str, nn.Module]) -> Networks:
    """The same from `modules`."""
    return Networks(**{name: module for name, module in parts.items() if name != "motion_modules"})


def make(config: ConfigDict) -> Stage:
    return video.make(networks(config), objective(config))


def objective(config: ConfigDict) -> video.Objective:
    fields = dict(config.objective)
    fields["min_snr_gamma"] = fields["min_snr_gamma"] or None
    return video.Objective(NoiseSchedule(**config.schedule), **fields)


def window(config: ConfigDict, train: bool) -> Window:
    data, made = config.data, networks(config)
    factor, tokenizer = made.autoencoder.downsampling, made.tokenizer
    return Window("video", {
        "num_frames": data.frames, "height": data.height, "width": data.width, "fields": _fields(config, made.reads),
        "margin": tokenizer.reach if tokenizer else 0, "reference_gap": data.reference_gap,
        "latent": (data.height // factor, data.width // factor, 2 * made.autoencoder.latent_channels),
        "token": (len(tokenizer.parts), tokenizer.tokens_per_part) if tokenizer else (),
        "embedding": made.image_encoder.projection_dim,
    }, made={kind: data[kind] for kind in ("latents", "embeddings", "tokens") if data[kind]})


def _fields(config: ConfigDict, reads: Sequence[str]) -> tuple[str, ...]:
    """Of a batch: what the networks read, or what was computed of it beforehand."""
    data = config.data
    found = dict.fromkeys(reads)
    if data.latents:
        found |= dict.fromkeys(("latents", "reference_latents"))
        del found["frames"]
    if data.embeddings:
        found["reference_token"] = None
    if data.latents and data.embeddings:
        del found["reference"]
    if data.tokens and "pose_window" in found:
        found["tokens"] = None
        del found["pose_window"]
    return tuple(found)


def check(config: ConfigDict) -> None:
    if config.data.tokens and config.pose_control != "motion_decoder":
        raise ValueError(f"config.data.tokens: config.pose_control={config.pose_control!r} reads no tokens")
    pictures = ("flip", "crop", "colour")
    computed.check_augment(config, {"latents": pictures, "embeddings": pictures, "tokens": ("flip", "crop")})
    sampler, steps = config.sampler, config.schedule.num_steps
    if sampler.num_steps >= steps:
        raise ValueError(
            f"config.sampler.num_steps={sampler.num_steps}: must be below config.schedule.num_steps={steps}"
        )
    if sampler.eta and sampler.solver != "ddim":
        raise ValueError(
            f"config.sampler.eta={sampler.eta}: solver {sampler.solver!r} draws no fresh noise; set it to 0"
        )
    if sampler.overlap >= sampler.window:
        raise ValueError(
            f"config.sampler.overlap={sampler.overlap}: must be below config.sampler.window={sampler.window}"
        )


def figures(run: Run, data: Data) -> list[Result]:
    """Self-driven video: a clip's first frame is the photo, the real poses of its middle drive it."""
    return video_figures(self_driven(run, data))


def samples(run: Run, data: Data) -> np.ndarray:
    """A picture: frames of the middle of each clip, and under them what is painted for their poses."""
    paint, records = painting.painter(run, None), data.records(["poses", FRAMES])
    data = dataclasses.replace(data, frames=min([data.frames, *(len(record["poses"]) for record in records)]))
    clips = [drive(run, paint, record, data) for record in records]
    every = max(1, data.frames // _SHOWN)
    return grids.tile([grids.strips(target[::every], made[::every]) for made, target, _ in clips])
