"""Stable Diffusion 1.x's image autoencoder (also sd-vae-ft-mse)."""

import itertools
from collections.abc import Mapping
from typing import Any, Final

from xdancer_jax.pretrained import compvis
from xdancer_jax.pretrained.table import Kind, Shapes, torch_entry

SCALE: Final = 0.18215  # of SD1.x's latents; config.json's "scaling_factor" says so of newer files


def _fields(shapes: Shapes, described: Mapping[str, Any]) -> dict[str, Any]:
    """Of AutoencoderKL."""
    names = (f"encoder.down_blocks.{index}.resnets.0.conv2.weight" for index in itertools.count())
    levels = itertools.takewhile(lambda name: name in shapes, names)
    found = {
        "block_out_channels": tuple(shapes[name][0] for name in levels),
        "layers_per_block": sum(f"encoder.down_blocks.0.resnets.{index}.conv1.weight" in shapes for index in range(64)),
        "latent_channels": shapes["post_quant_conv.weight"][0],
    }
    if not found["block_out_channels"]:
        raise KeyError("encoder.down_blocks.0.resnets.0.conv2.weight")
    groups = described.get("norm_num_groups")
    return found | ({"norm_groups": groups} if isinstance(groups, int) else {})


def _extra(described: Mapping[str, Any]) -> dict[str, float]:
    """Latents are normalised by one constant."""
    return {"latents/mean": 0.0, "latents/std": 1 / described.get("scaling_factor", SCALE)}


SD_VAE: Final = Kind(
    "sd-vae", "the autoencoder of Stable Diffusion 1.x", ("vae", "sd-vae-ft-mse"),
    ("diffusion_pytorch_model", "v1-5-pruned-emaonly", "v1-5-pruned"), torch_entry, _fields,
    left_out=rf"{compvis.REST}|model\.diffusion_model\..*", renamed=compvis.autoencoder, extra=_extra,
)  # fmt: skip

__all__ = ["SD_VAE"]
