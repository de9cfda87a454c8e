"""The one place where a config becomes objects: modules, stages, loaders, optimizer.."""

from collections.abc import Iterator, Mapping
from typing import Any

import jax
from ml_collections import ConfigDict

from configs.sharding import TABLES
from data_pipeline import loaders
from data_pipeline.skeleton import NUM_JOINTS, PARTS
from xdancer_jax.diffusion.schedules import NoiseSchedule
from xdancer_jax.models.autoencoder import AutoencoderKL
from xdancer_jax.models.image_encoder import ImageEncoder
from xdancer_jax.models.motion_decoder import MotionDecoder
from xdancer_jax.models.music_gpt import MusicGPT
from xdancer_jax.models.pose_guider import PoseGuider
from xdancer_jax.models.pose_tokenizer import PoseTokenizer
from xdancer_jax.models.reference_net import ReferenceNet
from xdancer_jax.models.unet import UNet
from xdancer_jax.nn.linear import conv
from xdancer_jax.stage import Stage
from xdancer_jax.stages import autoencoder, motion, tokenizer, video
from xdancer_jax.stages.video_networks import Networks
from xdancer_jax.train.optim import Optimizer, make_optimizer

_UNET_ONLY = ("temporal", "temporal_heads", "temporal_max_frames", "mid_temporal")


def stage(config: ConfigDict, weights: Mapping[str, Any]) -> Stage:
    """The Stage of a resolved config. `weights` as `resolve` gives them, or `frozen_weights` of a loaded run."""
    if config.name == "tokenizer":
        names = tuple(PARTS) if len(_parts(config)) > 1 else ("body",)
        return tokenizer.make(pose_tokenizer(config), names, trainable=config.trainable, **config.loss)
    if config.name == "autoencoder":
        return autoencoder.make(image_autoencoder(config), trainable=config.trainable, **config.loss)
    if config.name == "motion":
        frozen = weights["tokenizer_from"]
        return motion.make(
            music_gpt(config), pose_tokenizer(config.earlier.tokenizer), (frozen["params"], frozen["extra"]),
            trainable=config.trainable, initial=weights.get("initial"),
        )
    frozen = {name: weights[f"{name}_from"] for name in ("autoencoder", "tokenizer") if f"{name}_from" in weights}
    return video.make(
        networks(config), objective(config), video.Sampler(**config.sampler), phase=config.phase, frozen=frozen,
        trainable=config.trainable, initial_params=weights.get("init_from", {}).get("params"),
    )


def frozen_weights(extra: Mapping[str, Any]) -> dict[str, Any]:
    """The `weights` argument of `stage` from the `extra` of a loaded run."""
    return {f"{name}_from": value for name, value in extra.get("frozen", {}).items()}


def _types(config: ConfigDict) -> dict[str, str]:
    return {"dtype": config.dtype, "param_dtype": config.param_dtype}


def _parts(config: ConfigDict) -> tuple[tuple[int, ...], ...]:
    return (tuple(range(NUM_JOINTS)),) if config.single_part else tuple(PARTS.values())


def pose_tokenizer(config: ConfigDict) -> PoseTokenizer:
    return PoseTokenizer(parts=_parts(config), **config.model, **_types(config))


def music_gpt(config: ConfigDict) -> MusicGPT:
    return MusicGPT(**config.model, **_types(config))


def image_autoencoder(config: ConfigDict) -> AutoencoderKL:
    return AutoencoderKL(**config.model, **_types(config))


def networks(config: ConfigDict) -> Networks:
    """Those of a resolved video config."""
    model, types = config.model, _types(config)
    shared = {name: value for name, value in model.unet.items() if name not in _UNET_ONLY}
    controls = {"motion_decoder": MotionDecoder, "pose_guider": PoseGuider}
    if config.pose_control not in controls:
        raise ValueError(f"config.pose_control={config.pose_control!r}: choose one of {sorted(controls)}")
    return Networks(
        unet=UNet(**model.unet, **types),
        reference_net=ReferenceNet(**shared, **types),
        photo=conv(model.unet.block_out_channels[0], (3, 3), zero=True, **types),
        image_encoder=ImageEncoder(**model.image_encoder, **types),
        pose=controls[config.pose_control](**model[config.pose_control], **types),
        autoencoder=image_autoencoder(config.earlier.autoencoder),
        tokenizer=pose_tokenizer(config.earlier.tokenizer) if "tokenizer" in config.earlier else None,
    )


def objective(config: ConfigDict) -> video.Objective:
    fields = dict(config.objective)
    fields["min_snr_gamma"] = fields["min_snr_gamma"] or None
    return video.Objective(NoiseSchedule(**config.schedule), **fields)


def optimizer(config: ConfigDict) -> Optimizer:
    """Raises ValueError for weights in bfloat16, whose moments and averages would soon stand still."""
    if config.param_dtype != "float32":
        raise ValueError(
            f"config.param_dtype={config.param_dtype!r}: training keeps weights, moments and averages in float32; "
            "--config.dtype=bfloat16 computes in bfloat16"
        )
    return make_optimizer(steps=config.steps, **config.optimizer)


def rules(config: ConfigDict):
    """The sharding table that the config names."""
    if config.sharding not in TABLES:
        raise ValueError(f"config.sharding={config.sharding!r}: choose one of {sorted(TABLES)}")
    return TABLES[config.sharding]


def batches(config: ConfigDict, split: str, start_step: int = 0, *, train: bool = True) -> Iterator[loaders.Batch]:
    """The stage's batches of a split: endless, shuffled and from `start_step` for training, in file order else."""
    data = config.data
    if not data.dir:
        raise ValueError("config.data.dir is empty: give the prepared data set, --config.data.dir=DIR")
    order = {"process_index": jax.process_index(), "process_count": jax.process_count()}
    if train:
        order |= {"start_step": start_step, "worker_count": data.workers, "share": data.share}
        if config.name == "motion":
            order |= {
                "replay": data.replay_dir or None, "replay_rate": data.replay_rate if data.replay_dir else 0.0,
                "replay_static_context_rate": data.replay_static_context_rate,
            }
    else:
        order |= {"shuffle": False}
    loader, cut = window(config, train)
    return getattr(loaders, loader)(data.dir, split, config.batch_size, config.seed, **cut, **order)


def window(config: ConfigDict, train: bool) -> tuple[str, dict[str, Any]]:
    """Name of the stage's loader, and what it takes for its examples."""
    data = config.data
    if config.name == "tokenizer":
        return "tokenizer", {"length": data.length}
    if config.name == "autoencoder":
        return "frames", {"height": data.height, "width": data.width}
    margin = pose_tokenizer(config.earlier.tokenizer).reach if "tokenizer" in config.earlier else 0
    if config.name == "video":
        return "video", {"num_frames": data.frames, "height": data.height, "width": data.width, "margin": margin}
    return "motion", {
        "previous": data.previous, "length": config.model.segment_frames, "num_context": config.model.context_frames,
        "song_bins": config.model.global_tokens, "static_context_rate": data.static_context_rate if train else 0.0,
        "margin": margin,
    }
