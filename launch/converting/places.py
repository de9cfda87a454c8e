"""Where a public layout belongs: which part of which stage it is, and what its file tells of that stage's config."""

import importlib
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ml_collections import ConfigDict

from launch.runs import resolve
from xdancer_jax.pretrained.kinds import SOURCES
from xdancer_jax.pretrained.table import Kind, Source


class Place(NamedTuple):
    """A part of a stage as a variant of its config describes it."""

    stage: str
    variant: str
    part: str


PLACES: Final = {  # kind -> what its files become; "moore", of all six, stands by itself
    "sd15-unet": Place("video", "paper_appearance", "unet"),
    "sd-vae": Place("autoencoder", "paper", "autoencoder"),
    "clip-vision": Place("video", "paper_appearance", "image_encoder"),
    "animatediff-v2": Place("video", "paper_motion", "motion_modules"),
    "gpt2": Place("motion", "medium", "gpt"),
    "controlnet-openpose": Place("video", "animate_anyone_motion", "pose"),
    "moore-denoising-unet": Place("video", "moore_appearance", "unet"),
    "moore-reference-unet": Place("video", "moore_appearance", "reference_net"),
    "moore-pose-guider": Place("video", "moore_motion", "pose"),
    "moore-motion-module": Place("video", "moore_motion", "motion_modules"),
}
MOORE: Final = "moore"
MOORE_KINDS: Final[Mapping[str, Kind]] = SOURCES[MOORE]
_TABLES: Final = {  # part -> config.model.TABLE of the video stage
    "unet": "unet", "reference_net": "unet", "motion_modules": "unet", "image_encoder": "image_encoder",
    "pose": "pose_guider",
}


def config_of(place: Place, sources: Mapping[str, Source]) -> ConfigDict:
    """The resolved config of a run that holds the parts `sources`, of the sizes that their files have; no part trains.
    """
    config = importlib.import_module(f"configs.{place.stage}").get_config(place.variant)
    for fields in config.parts.values():
        fields.trainable, fields.source = (), "random"
    for name, source in sources.items():
        config.parts[name].source = f"{source.kind.name}:{source.path}"
        if name == place.stage or name == "gpt":
            _take(config.model, source.fields)
        elif name in _TABLES:
            _take(config.model[_TABLES[name]], source.fields)
    if place.stage == "video":
        _fit(config, sources)
    config = resolve.resolve(config.lock())
    if place.stage == "video" and "autoencoder" in sources:
        _take(config.earlier.autoencoder.model, sources["autoencoder"].fields)
    return config


def _take(table: ConfigDict, fields: Mapping[str, Any]) -> None:
    table.update({name: value for name, value in fields.items() if name in table})


def _fit(config: ConfigDict, sources: Mapping[str, Source]) -> None:
    """Fields that follow from others, where a file has other sizes than the variant."""
    if "pose" not in sources:
        config.pose_control = "none"
    unet, guider = config.model.unet, config.model.pose_guider
    levels = len(unet.block_out_channels)
    if levels != len(unet.attention_levels):  # motion modules do not say where attention is
        unet.attention_levels = (True,) * (levels - 1) + (False,)
    if "unet" in sources:
        guider.block_out_channels = unet.block_out_channels
    elif "pose" in sources and "width" in sources["pose"].fields:
        guider.block_out_channels = (sources["pose"].fields["width"], *guider.block_out_channels[1:])
    if "motion_modules" in sources:
        config.data.frames = min(config.data.frames, unet.temporal_max_frames)
        config.sampler.window = min(config.sampler.window, unet.temporal_max_frames)
        config.sampler.overlap = min(config.sampler.overlap, config.sampler.window - 1)


__all__ = ["MOORE", "MOORE_KINDS", "PLACES", "Place", "config_of"]
