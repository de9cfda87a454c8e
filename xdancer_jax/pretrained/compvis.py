"""The original names of Stable Diffusion 1.x (CompVis/stable-diffusion, ldm/modules) as diffusers' names."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

# Of a whole checkpoint, what is no weight of U-Net or autoencoder: the noise schedule's tables, averages, the text.
REST: Final = (
    r"betas|logvar|alphas_cumprod(_prev)?|sqrt_\w+|log_one_minus_alphas_cumprod|posterior_\w+|lvlb_weights|scale_factor"
    r"|model_ema\..*|cond_stage_model\..*|loss\..*"
)
UNET, AUTOENCODER = "model.diffusion_model.", "first_stage_model."
_RESNET: Final = {
    "in_layers.0": "norm1", "in_layers.2": "conv1", "emb_layers.1": "time_emb_proj", "out_layers.0": "norm2",
    "out_layers.3": "conv2", "skip_connection": "conv_shortcut",
}  # fmt: skip
_OUTSIDE: Final = {
    "input_blocks.0.0": "conv_in", "time_embed.0": "time_embedding.linear_1", "time_embed.2": "time_embedding.linear_2",
    "out.0": "conv_norm_out", "out.2": "conv_out",
}  # fmt: skip
_ATTENTION: Final = {
    "norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0",
    "query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0",  # diffusers before 0.18
}  # fmt: skip


def unet(names: Iterable[str]) -> dict[str, str]:
    """Names below model.diffusion_model -> diffusers' UNet2DConditionModel's."""
    inside = {name: name.removeprefix(UNET) for name in names if name.startswith(UNET)}
    steps = [int(match[1]) for name in inside.values() if (match := re.match(r"input_blocks\.(\d+)\.0\.op\.", name))]
    blocks = [int(match[1]) for name in inside.values() if (match := re.match(r"output_blocks\.(\d+)\.", name))]
    per_level = min(steps, default=max(blocks, default=0) + 1)  # layers of an up block, one more than of a down block
    found = {name: _unet(short, per_level) for name, short in inside.items()}
    return {name: ours for name, ours in found.items() if ours}


def _unet(name: str, per_level: int) -> str | None:
    module, _, leaf = name.rpartition(".")
    if module in _OUTSIDE:
        return f"{_OUTSIDE[module]}.{leaf}"
    if match := re.fullmatch(r"middle_block\.([012])\.(.+)", name):
        place = ("resnets.0", "attentions.0", "resnets.1")[int(match[1])]
        return f"mid_block.{place}.{_inside(place, match[2])}"
    match = re.fullmatch(r"(input|output)_blocks\.(\d+)\.(\d)\.(.+)", name)
    if not match:
        return None
    side, rest = match[1], match[4]
    level, layer = divmod(int(match[2]) - (side == "input"), per_level)
    block = f"{'down' if side == 'input' else 'up'}_blocks.{level}"
    if rest.startswith("op."):
        return f"{block}.downsamplers.0.conv.{rest.removeprefix('op.')}"
    if rest in ("conv.weight", "conv.bias"):
        return f"{block}.upsamplers.0.{rest}"
    place = f"{'attentions' if int(match[3]) else 'resnets'}.{layer}"
    return f"{block}.{place}.{_inside(place, rest)}"


def _inside(place: str, rest: str) -> str:
    module, _, leaf = rest.rpartition(".")
    return f"{_RESNET.get(module, module)}.{leaf}" if place.startswith("resnets") else rest


def autoencoder(names: Iterable[str]) -> Mapping[str, str]:
    """Names of an autoencoder, whole checkpoint or alone, CompVis' or diffusers' old ones -> AutoencoderKL's."""
    whole = any(name.startswith(AUTOENCODER) for name in names)
    inside = {name: name.removeprefix(AUTOENCODER) for name in names if name.startswith(AUTOENCODER) or not whole}
    levels = 1 + max((int(match[1]) for name in inside.values() if (match := re.match(r"decoder\.up\.(\d+)\.", name))),
                     default=0)  # fmt: skip
    return {name: _autoencoder(short, levels) for name, short in inside.items()}


def _autoencoder(name: str, levels: int) -> str:
    name = re.sub(r"^encoder\.down\.(\d+)\.block\.", r"encoder.down_blocks.\1.resnets.", name)
    name = re.sub(r"^encoder\.down\.(\d+)\.downsample\.", r"encoder.down_blocks.\1.downsamplers.0.", name)
    name = re.sub(
        r"^decoder\.up\.(\d+)\.(block|upsample)\.",
        lambda match: f"decoder.up_blocks.{levels - 1 - int(match[1])}."
        + {"block": "resnets.", "upsample": "upsamplers.0."}[match[2]],
        name,
    )
    name = re.sub(r"\.mid\.block_(\d)\.", lambda match: f".mid_block.resnets.{int(match[1]) - 1}.", name)
    name = re.sub(r"\.mid\.attn_1\.", ".mid_block.attentions.0.", name)
    name = re.sub(r"(?<=coder)\.norm_out\.", ".conv_norm_out.", name).replace(".nin_shortcut.", ".conv_shortcut.")
    stem, _, rest = name.partition(".mid_block.attentions.0.")
    module, _, leaf = rest.rpartition(".")
    return f"{stem}.mid_block.attentions.0.{_ATTENTION.get(module, module)}.{leaf}" if rest else name


__all__ = ["REST", "autoencoder", "unet"]
