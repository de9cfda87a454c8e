"""The one place where a config becomes objects: modules, stages, loaders, optimizer.

A stage that stands on earlier ones names their work directories in its config (tokenizer_from, autoencoder_from,
init_from). `resolve` reads them once: their configs are stored under config["earlier"], their weights go into the
stage's `extra`, so that a finished work directory needs no other.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
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
from xdancer_jax.pretrained import gpt2
from xdancer_jax.stage import Stage
from xdancer_jax.stages import autoencoder, motion, tokenizer, video
from xdancer_jax.stages.video_networks import Networks
from xdancer_jax.train import checkpoint
from xdancer_jax.train.optim import Optimizer, make_optimizer

# stage -> {config field: stage whose work directory it names}
EARLIER = {
    "tokenizer": {},
    "motion": {"tokenizer_from": "tokenizer"},
    "autoencoder": {},
    "video": {"autoencoder_from": "autoencoder", "tokenizer_from": "tokenizer", "init_from": "video"},
}
DTYPES = ("float32", "bfloat16")
_UNET_ONLY = ("temporal", "temporal_heads", "temporal_max_frames", "mid_temporal")


def resolve(config: ConfigDict) -> tuple[ConfigDict, dict[str, Mapping[str, Any]]]:
    """`config` with the configs of the earlier stages under "earlier", and {field: {"params", "extra"}} of them.

    Raises:
      ValueError: a directory that is missing, unfinished or another stage's; a stage that needs one and names none.
    """
    if config.name not in EARLIER:
        raise ValueError(f"config.name: unknown stage {config.name!r}; choose one of {sorted(EARLIER)}")
    _check_fields(config)
    config, weights = config.copy_and_resolve_references(), {}
    with config.unlocked():
        config.earlier = ConfigDict()
        for field, stage_name in EARLIER[config.name].items():
            if not config[field]:
                continue
            loaded = checkpoint.load(config[field], stage_name)
            weights[field] = {"params": dict(loaded.params), "extra": loaded.extra}
            if field != "init_from":
                config.earlier[stage_name] = as_config(loaded.config)
                continue
            _check_init(loaded.extra["frozen"], weights)
            if loaded.config["pose_control"] != config.pose_control:
                del weights[field]["params"]["pose"]  # the other control's; this one starts anew
    _check_earlier(config)
    if config.name == "motion" and config.gpt2:
        model = music_gpt(config)
        weights["gpt2"] = gpt2.read(config.gpt2, model.num_layers, model.width, model.num_positions)
    return config, weights


def _check_fields(config: ConfigDict) -> None:
    for name in ("steps", "batch_size", "log_every"):
        if config[name] < 1:
            raise ValueError(f"config.{name}={config[name]}: must be at least 1")
    if config.name == "motion" and config.data.previous < config.model.context_frames:
        raise ValueError(
            f"config.data.previous={config.data.previous}: holds no {config.model.context_frames} context frames "
            "(config.model.context_frames)"
        )
    for name in ("dtype", "param_dtype"):
        if config[name] not in DTYPES:
            raise ValueError(f"config.{name}={config[name]!r}: choose one of {DTYPES}")


def _check_init(frozen: Mapping[str, Any], weights: Mapping[str, Any]) -> None:
    """The run that init_from names must stand on the same earlier stages as this one."""
    for name, value in frozen.items():
        field = f"{name}_from"
        if field in weights and not same_weights(value, weights[field]):
            raise ValueError(
                f"config.init_from was trained over another {name} than config.{field} names; give the {name} that it "
                "was trained over"
            )


def same_weights(a: Any, b: Any) -> bool:
    """Whether two trees of arrays are equal, leaf by leaf and bit by bit."""
    leaves_a, tree_a = jax.tree.flatten(a)
    leaves_b, tree_b = jax.tree.flatten(b)
    return tree_a == tree_b and all(np.array_equal(x, y) for x, y in zip(leaves_a, leaves_b, strict=True))


def _check_earlier(config: ConfigDict) -> None:
    needed = {"motion": ["tokenizer"], "video": ["autoencoder"]}.get(config.name, [])
    if config.name == "video" and config.pose_control == "motion_decoder":
        needed = [*needed, "tokenizer"]
    for stage_name in needed:
        if stage_name not in config.earlier:
            raise ValueError(
                f"config.{stage_name}_from is empty: stage {config.name!r} stands on a trained {stage_name}; give its "
                f"work directory, --config.{stage_name}_from=DIR"
            )


def as_config(content: Mapping[str, Any]) -> ConfigDict:
    """A config read back from JSON: its lists become the tuples that they were."""

    def tuples(value):
        if isinstance(value, Mapping):
            return {name: tuples(item) for name, item in value.items()}
        return tuple(tuples(item) for item in value) if isinstance(value, (list, tuple)) else value

    return ConfigDict(tuples(content))


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
            sampling=motion.Sampling(**config.sampling), trainable=config.trainable, initial=weights.get("gpt2"),
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
        order |= {"start_step": start_step, "worker_count": data.workers}
    else:
        order |= {"shuffle": False}
    common = (data.dir, split, config.batch_size, config.seed)
    if config.name == "tokenizer":
        return loaders.tokenizer(*common, length=data.length, **order)
    if config.name == "autoencoder":
        return loaders.frames(*common, height=data.height, width=data.width, **order)
    margin = pose_tokenizer(config.earlier.tokenizer).reach if "tokenizer" in config.earlier else 0
    if config.name == "video":
        return loaders.video(
            *common, num_frames=data.frames, height=data.height, width=data.width, margin=margin, **order
        )
    return loaders.motion(
        *common, previous=data.previous, length=config.model.segment_frames,
        num_context=config.model.context_frames, song_bins=config.model.global_tokens,
        static_context_rate=data.static_context_rate if train else 0.0, margin=margin, **order,
    )
