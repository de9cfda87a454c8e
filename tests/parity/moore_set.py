"""A folder of Moore-AnimateAnyone's layout with random weights, made by the reference libraries' classes."""

import json
import re

import torch
from diffusers import AutoencoderKL, MotionAdapter, UNet2DConditionModel
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

CHANNELS, HEADS, GROUPS, CONTEXT, LAYERS = (16, 32), 4, 8, 12, 1


class PoseGuider(nn.Module):
    """Its state dict has the names of Moore's class; convolutions of width `channels`, two a halving."""

    def __init__(self, width: int, channels: tuple[int, ...]):
        super().__init__()
        self.conv_in = nn.Conv2d(3, channels[0], 3, padding=1)
        pairs = list(zip(channels[:-1], channels[1:], strict=True))
        self.blocks = nn.ModuleList(
            layer for a, b in pairs for layer in (nn.Conv2d(a, a, 3, padding=1), nn.Conv2d(a, b, 3, 2, 1))
        )
        self.conv_out = nn.Conv2d(channels[-1], width, 3, padding=1)

    def forward(self, x):
        x = nn.functional.silu(self.conv_in(x))
        for block in self.blocks:
            x = nn.functional.silu(block(x))
        return self.conv_out(x)


def unet():
    return UNet2DConditionModel(
        sample_size=8, block_out_channels=CHANNELS, layers_per_block=LAYERS, cross_attention_dim=CONTEXT,
        norm_num_groups=GROUPS, attention_head_dim=HEADS,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    )


def autoencoder():
    return AutoencoderKL(
        block_out_channels=(8, 8, 16, 16), layers_per_block=1, norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
    )


def image_encoder():
    return CLIPVisionModelWithProjection(CLIPVisionConfig(
        hidden_size=24, intermediate_size=96, projection_dim=CONTEXT, num_hidden_layers=2, num_attention_heads=4,
        image_size=28, patch_size=14,
    ))


def motion_modules():
    """In AnimateDiff's own names."""
    adapter = MotionAdapter(
        block_out_channels=CHANNELS, motion_layers_per_block=LAYERS, motion_num_attention_heads=2,
        motion_norm_num_groups=GROUPS, motion_max_seq_length=8, use_motion_mid_block=True,
    )
    found = {}
    for name, value in adapter.state_dict().items():
        name = re.sub(r"(motion_modules\.\d+)\.", r"\1.temporal_transformer.", name)
        for theirs, own in (("attn1", "attention_blocks.0"), ("attn2", "attention_blocks.1"), ("norm1", "norms.0"),
                            ("norm2", "norms.1"), ("norm3", "ff_norm")):
            name = name.replace(f".{theirs}.", f".{own}.")
        if name.endswith("pos_embed.pe"):
            for block in (0, 1):
                found[name.replace("pos_embed.pe", f"attention_blocks.{block}.pos_encoder.pe")] = value.clone()
        else:
            found[name] = value
    return found


def write(folder, seed=0):
    """Writes the set, no weight of it zero; {part: module or state dict}."""
    torch.manual_seed(seed)
    made = {"unet": unet(), "reference_net": unet(), "pose": PoseGuider(CHANNELS[0], (4, 4, 8, 8)),
            "autoencoder": autoencoder(), "image_encoder": image_encoder()}
    with torch.no_grad():
        for module in made.values():
            for parameter in module.parameters():
                parameter += 0.05 * torch.randn_like(parameter)
    modules = {name: value + 0.05 * torch.randn_like(value) if "pe" not in name.split(".")[-1:] else value
               for name, value in motion_modules().items()}
    tail = ("conv_norm_out.", "conv_out.")
    reference = {name: x for name, x in made["reference_net"].state_dict().items() if not name.startswith(tail)}
    folder.mkdir(exist_ok=True)
    torch.save(made["unet"].state_dict(), folder / "denoising_unet.pth")
    torch.save(reference, folder / "reference_unet.pth")
    torch.save(made["pose"].state_dict(), folder / "pose_guider.pth")
    torch.save(modules, folder / "motion_module.pth")
    made["autoencoder"].save_pretrained(folder / "sd-vae-ft-mse")
    made["image_encoder"].save_pretrained(folder / "image_encoder")
    (folder / "config.json").write_text(json.dumps({
        "attention_head_dim": HEADS, "norm_num_groups": GROUPS, "motion_num_attention_heads": 2,
        "motion_norm_num_groups": GROUPS,
    }))
    return made | {"motion_modules": modules}
