"""Other architectures, told by what their files alone have, so that a wrong file is named and not listed."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

Shapes = Mapping[str, tuple[int, ...]]

_BY_NAME: Final = (  # first that is found anywhere among the names
    (r"(^|\.)lora_|\.lora\.|^lora_unet_", "a LoRA, which only changes other weights; give merged ones"),
    (r"(^|\.)joint_blocks\.|transformer_blocks\.0\.attn\.add_[qkv]_proj", "Stable Diffusion 3"),
    (r"(^|\.)double_blocks\.|^single_transformer_blocks\.", "FLUX"),
    (r"^add_embedding\.|(^|\.)label_emb\.|^conditioner\.embedders\.", "Stable Diffusion XL"),
    (r"\.time_stack\.|temporal_transformer_blocks\.|\.spatial_res_block\.", "Stable Video Diffusion"),
    (r"^cond_stage_model\.model\.", "Stable Diffusion 2"),
    (r"^visual\.transformer\.resblocks\.", "CLIP in OpenAI's or OpenCLIP's own names; give transformers' files"),
    (r"^safety_checker\.|^vision_model\.vision_model\.", "the safety checker"),
)  # fmt: skip
_CONV_IN: Final = re.compile(r"(model\.diffusion_model\.input_blocks\.0\.0|conv_in)\.weight")
_INPUTS: Final = {9: "an inpainting model", 8: "InstructPix2Pix", 7: "a depth or upscaling model", 5: "a depth model"}


def check(path: Path, wanted: str, shapes: Shapes) -> None:
    """Raises ValueError, one line, where the tensors of `path` are those of an architecture that is known and other."""
    for found in _recognised(shapes):
        raise ValueError(f"{path}: holds {found}; what is read here is {wanted}")


def _recognised(shapes: Shapes) -> Iterator[str]:
    for pattern, architecture in _BY_NAME:
        if any(re.search(pattern, name) for name in shapes):
            yield architecture
    context = [shape[1] for name, shape in shapes.items() if name.endswith("attn2.to_k.weight") and len(shape) == 2]
    if context and context[0] == 1024:
        yield "Stable Diffusion 2 (its text is 1024 wide)"
    if context and context[0] == 2048:
        yield "Stable Diffusion XL (its text is 2048 wide)"
    for name, shape in shapes.items():
        if _CONV_IN.fullmatch(name) and len(shape) == 4 and shape[1] in _INPUTS:
            yield f"{_INPUTS[shape[1]]} (it takes {shape[1]} channels)"
    positions = [shape for name, shape in shapes.items() if name.endswith("pos_encoder.pe")]
    if positions and positions[0][1:2] == (24,):
        yield "AnimateDiff v1 (24 frames), which normalises over time; give mm_sd_v15_v2"


__all__ = ["check"]
