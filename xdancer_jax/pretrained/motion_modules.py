"""AnimateDiff v2's motion modules (mm_sd_v15_v2), also as diffusers' MotionAdapter; AnimateAnyone's trained ones."""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from xdancer_jax.pretrained.table import Kind, Shapes, torch_entry

_INSIDE: Final = "temporal_transformer"
_ADAPTER: Final = {
    "attn1": "attention_blocks.0", "attn2": "attention_blocks.1", "norm1": "norms.0", "norm2": "norms.1",
    "norm3": "ff_norm",
}  # fmt: skip


def _renamed(names: Iterable[str]) -> dict[str, str]:
    """Those of a MotionAdapter, and of a module that was saved inside another."""
    return {name: _plain(name.removeprefix("module.")) for name in names}


def _plain(name: str) -> str:
    match = re.fullmatch(rf"(.*motion_modules\.\d+\.)(?!{_INSIDE}\.)(.+)", name)
    if not match:
        return name
    rest = re.sub(r"^(transformer_blocks\.\d+\.)(\w+)\.", lambda m: f"{m[1]}{_ADAPTER.get(m[2], m[2])}.", match[2])
    return f"{match[1]}{_INSIDE}.{rest}"


def _fields(shapes: Shapes, described: Mapping[str, Any]) -> dict[str, Any]:
    """Of UNet."""
    widths = {}
    for name, shape in shapes.items():
        if match := re.fullmatch(rf"down_blocks\.(\d+)\.motion_modules\.0\.{_INSIDE}\.norm\.weight", name):
            widths[int(match[1])] = shape[0]
    if not widths:
        raise KeyError(f"down_blocks.0.motion_modules.0.{_INSIDE}.norm.weight")
    found = {
        "block_out_channels": tuple(widths[index] for index in sorted(widths)),
        "layers_per_block": sum(f"down_blocks.0.motion_modules.{i}.{_INSIDE}.norm.weight" in shapes for i in range(64)),
        "mid_temporal": any(name.startswith("mid_block.") for name in shapes),
    }
    frames = [shape[1] for name, shape in shapes.items() if name.endswith(".pe") and len(shape) == 3]
    if frames:
        found["temporal_max_frames"] = frames[0]
    for field, name in (("temporal_heads", "motion_num_attention_heads"), ("norm_groups", "motion_norm_num_groups")):
        if isinstance(described.get(name), int):
            found[field] = described[name]
    return found


ANIMATEDIFF: Final = Kind(
    "animatediff-v2", "AnimateDiff v2's motion modules", ("motion_adapter",),
    ("mm_sd_v15_v2", "diffusion_pytorch_model"), torch_entry, _fields,
    left_out=r".*\.(pos_encoder|pos_embed)\.pe", renamed=_renamed,
)  # fmt: skip
MOORE: Final = dataclasses.replace(
    ANIMATEDIFF, name="moore-motion-module", about="AnimateAnyone's motion modules (Moore)", folders=(),
    stems=("motion_module",),
)  # fmt: skip

__all__ = ["ANIMATEDIFF", "MOORE"]
