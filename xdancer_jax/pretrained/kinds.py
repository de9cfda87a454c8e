"""All public layouts: by the name of the command line, and by the source of a part in a config."""

from typing import Final

from xdancer_jax.pretrained import autoencoder, clip_vision, gpt2, motion_modules, pose_guider, unet
from xdancer_jax.pretrained.table import Kind

KINDS: Final[dict[str, Kind]] = {
    kind.name: kind
    for kind in (
        unet.SD15, autoencoder.SD_VAE, clip_vision.CLIP_VISION, motion_modules.ANIMATEDIFF, gpt2.GPT2,
        pose_guider.CONTROLNET, unet.MOORE_DENOISING, unet.MOORE_REFERENCE, pose_guider.MOORE, motion_modules.MOORE,
    )
}  # fmt: skip
# config.parts.PART.source=SOURCE:FILE -> the layout that PART reads
SOURCES: Final[dict[str, dict[str, Kind]]] = {
    "sd15": {"unet": unet.SD15, "reference_net": unet.SD15_REFERENCE, "autoencoder": autoencoder.SD_VAE},
    "clip": {"image_encoder": clip_vision.CLIP_VISION},
    "animatediff": {"motion_modules": motion_modules.ANIMATEDIFF},
    "controlnet": {"pose": pose_guider.CONTROLNET},
    "moore": {
        "unet": unet.MOORE_DENOISING, "reference_net": unet.MOORE_REFERENCE, "pose": pose_guider.MOORE,
        "motion_modules": motion_modules.MOORE, "autoencoder": autoencoder.SD_VAE,
        "image_encoder": clip_vision.CLIP_VISION,
    },
    "gpt2": {"gpt": gpt2.GPT2},
}  # fmt: skip

__all__ = ["KINDS", "SOURCES"]
