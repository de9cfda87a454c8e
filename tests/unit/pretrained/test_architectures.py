from pathlib import Path

import pytest

from tests.public_weights import listed
from xdancer_jax.pretrained import architectures


@pytest.mark.parametrize("name, shape, told", [
    ("add_embedding.linear_1.weight", (1280, 2816), "Stable Diffusion XL"),
    ("conditioner.embedders.0.transformer.x", (1,), "Stable Diffusion XL"),
    ("model.diffusion_model.label_emb.0.0.weight", (1,), "Stable Diffusion XL"),
    ("down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight", (640, 2048), "Stable Diffusion XL"),
    ("down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight", (320, 1024), "Stable Diffusion 2"),
    ("model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight", (320, 1024),
     "Stable Diffusion 2"),
    ("cond_stage_model.model.ln_final.weight", (1024,), "Stable Diffusion 2"),
    ("model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight", (1,), "Stable Diffusion 3"),
    ("transformer_blocks.0.attn.add_q_proj.weight", (1, 1), "Stable Diffusion 3"),
    ("double_blocks.0.img_attn.qkv.weight", (1, 1), "FLUX"),
    ("conv_in.weight", (320, 9, 3, 3), "an inpainting model"),
    ("model.diffusion_model.input_blocks.0.0.weight", (320, 9, 3, 3), "an inpainting model"),
    ("conv_in.weight", (320, 8, 3, 3), "InstructPix2Pix"),
    ("down_blocks.0.temporal_transformer_blocks.0.x", (1,), "Stable Video Diffusion"),
    ("lora_unet_down_blocks_0.alpha", (), "a LoRA"),
    ("unet.down_blocks.0.attn1.to_q.lora_A.weight", (4, 320), "a LoRA"),
    ("visual.transformer.resblocks.0.ln_1.weight", (1024,), "CLIP in OpenAI's"),
    ("vision_model.vision_model.x", (1,), "the safety checker"),
    ("down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.0.pos_encoder.pe",
     (1, 24, 320), "AnimateDiff v1"),
])  # fmt: skip
def test_other_architectures_are_named_in_one_line(name, shape, told):
    with pytest.raises(ValueError, match=rf"file: holds {told}.*; what is read here is ours") as error:
        architectures.check(Path("file"), "ours", {"other.weight": (3,), name: shape})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", [
    "sd15_unet", "sd15_compvis", "sd_vae", "clip_vision", "mm_sd_v15_v2", "motion_adapter", "controlnet",
    "moore_reference_unet", "moore_pose_guider",
])  # fmt: skip
def test_what_is_read_here_is_no_other_architecture(name):
    architectures.check(Path("file"), "ours", listed(name))
