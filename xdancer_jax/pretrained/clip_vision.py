"""CLIP's image tower with its projection (transformers' CLIPVisionModelWithProjection, or a whole CLIPModel)."""

from collections.abc import Mapping
from typing import Any, Final

from xdancer_jax.pretrained.table import Kind, Shapes, torch_entry

_EMBEDDINGS: Final = "vision_model.embeddings"


def _fields(shapes: Shapes, described: Mapping[str, Any]) -> dict[str, Any]:
    """Of ImageEncoder. Heads are 64 wide in every public CLIP, where no config.json says their number."""
    width, _, patch, _ = shapes[f"{_EMBEDDINGS}.patch_embedding.weight"]
    positions = shapes[f"{_EMBEDDINGS}.position_embedding.weight"][0]
    depth = sum(f"vision_model.encoder.layers.{index}.layer_norm1.weight" in shapes for index in range(256))
    described = described.get("vision_config", described)
    heads, activation = described.get("num_attention_heads", width // 64), described.get("hidden_act", "quick_gelu")
    if activation != "quick_gelu":
        raise ValueError(f"config.json beside it has hidden_act {activation!r}, OpenAI's CLIP has 'quick_gelu'")
    return {
        "image_size": round((positions - 1) ** 0.5) * patch, "patch_size": patch, "width": width, "depth": depth,
        "heads": heads, "projection_dim": shapes["visual_projection.weight"][0],
    }  # fmt: skip


CLIP_VISION: Final = Kind(
    "clip-vision", "CLIP's image tower with its projection", ("image_encoder",), ("model", "pytorch_model"),
    torch_entry, _fields, left_out=rf"{_EMBEDDINGS}\.position_ids|text_model\..*|text_projection\.weight|logit_scale",
)  # fmt: skip

__all__ = ["CLIP_VISION"]
