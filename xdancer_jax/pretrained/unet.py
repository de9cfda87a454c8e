"""Stable Diffusion 1.5's U-Net as the denoiser and as the ReferenceNet; AnimateAnyone's trained ones (Moore)."""

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any, Final

from xdancer_jax.pretrained import compvis
from xdancer_jax.pretrained.table import Kind, Shapes, torch_entry

# The ReferenceNet hands over what comes before its last block's first attention (models/reference_net.py).
_TAIL: Final = (
    r"(conv_norm_out|conv_out)\..*"
    r"|up_blocks\.\d+\.attentions\.\d+\.(proj_out|transformer_blocks\.0\.(attn1|attn2|norm2|norm3|ff))\..*"
)
_REST: Final = rf"{compvis.REST}|first_stage_model\..*"


def _fields(shapes: Shapes, described: Mapping[str, Any]) -> dict[str, Any]:
    """Of UNet. The number of heads is not in the weights: config.json's "attention_head_dim" is it (diffusers#2011)."""
    levels = [
        index for index in itertools.takewhile(
            lambda index: f"down_blocks.{index}.resnets.0.conv2.weight" in shapes, itertools.count()
        )
    ]
    attends = tuple(f"down_blocks.{index}.attentions.0.norm.weight" in shapes for index in levels)
    first = next(index for index in levels if attends[index]) if any(attends) else "mid_block"
    block = f"down_blocks.{first}" if any(attends) else first
    found = {
        "block_out_channels": tuple(shapes[f"down_blocks.{index}.resnets.0.conv2.weight"][0] for index in levels),
        "layers_per_block": sum(f"down_blocks.0.resnets.{index}.conv1.weight" in shapes for index in range(64)),
        "attention_levels": attends,
        "cross_attention_dim": shapes[f"{block}.attentions.0.transformer_blocks.0.attn2.to_k.weight"][1],
        "latent_channels": shapes["conv_in.weight"][1],
    }
    heads, groups = described.get("attention_head_dim"), described.get("norm_num_groups")
    return found | ({"num_heads": heads} if isinstance(heads, int) else {}) | (
        {"norm_groups": groups} if isinstance(groups, int) else {}
    )


SD15: Final = Kind(
    "sd15-unet", "the U-Net of Stable Diffusion 1.x", ("unet",),
    ("diffusion_pytorch_model", "v1-5-pruned-emaonly", "v1-5-pruned"),
    torch_entry, _fields, left_out=_REST, renamed=compvis.unet,
)  # fmt: skip
SD15_REFERENCE: Final = dataclasses.replace(
    SD15, name="sd15-reference", about="the U-Net of Stable Diffusion 1.x, of which the ReferenceNet is the trunk",
    left_out=f"{_REST}|{_TAIL}",
)  # fmt: skip
MOORE_DENOISING: Final = dataclasses.replace(
    SD15, name="moore-denoising-unet", about="AnimateAnyone's denoising U-Net (Moore)", folders=(),
    stems=("denoising_unet",),
)  # fmt: skip
MOORE_REFERENCE: Final = dataclasses.replace(
    SD15_REFERENCE, name="moore-reference-unet", about="AnimateAnyone's ReferenceNet (Moore)", folders=(),
    stems=("reference_unet",),
)  # fmt: skip

__all__ = ["MOORE_DENOISING", "MOORE_REFERENCE", "SD15", "SD15_REFERENCE"]
