"""Every tensor of the public layouts at full size, by key lists alone."""

import math

import pytest

from tests.public_weights import listed, ours, source
from xdancer_jax.pretrained import autoencoder, clip_vision, kinds, motion_modules, pose_guider, unet

# kind, key list of the file, part, its tensors that are used, numbers in them
FULL = [
    (unet.SD15, "sd15_unet", "unet", 686, 859_520_964), (unet.SD15, "sd15_compvis", "unet", 686, 859_520_964),
    (unet.MOORE_DENOISING, "sd15_unet", "unet", 686, 859_520_964),
    (unet.SD15_REFERENCE, "sd15_unet", "reference_net", 662, None),
    (unet.SD15_REFERENCE, "sd15_compvis", "reference_net", 662, None),
    (unet.MOORE_REFERENCE, "moore_reference_unet", "reference_net", 662, None),
    (autoencoder.SD_VAE, "sd_vae", "autoencoder", 248, 83_653_863),
    (autoencoder.SD_VAE, "sd15_compvis", "autoencoder", 248, 83_653_863),
    (clip_vision.CLIP_VISION, "clip_vision", "image_encoder", 392, 303_966_208),
    (motion_modules.ANIMATEDIFF, "mm_sd_v15_v2", "motion_modules", 546, 453_209_280),
    (motion_modules.ANIMATEDIFF, "motion_adapter", "motion_modules", 546, 453_209_280),
    (motion_modules.MOORE, "mm_sd_v15_v2", "motion_modules", 546, 453_209_280),
    (pose_guider.MOORE, "moore_pose_guider", "pose", 16, None),
    (pose_guider.CONTROLNET, "controlnet", "pose", 14, None),
]


def _guider():
    channels, found = (16, 32, 96, 256), {"conv_in/kernel": (3, 3, 3, 16), "conv_in/bias": (16,)}
    for i, (narrow, wide) in enumerate(zip(channels[:-1], channels[1:], strict=True)):
        found |= {f"block_{i}_conv/kernel": (3, 3, narrow, narrow), f"block_{i}_conv/bias": (narrow,)}
        found |= {f"block_{i}_down/kernel": (3, 3, narrow, wide), f"block_{i}_down/bias": (wide,)}
    return found | {"conv_out/kernel": (3, 3, 256, 320), "conv_out/bias": (320,)}


def _arrays(part):
    if part == "pose":
        return _guider()
    return ours(part, "autoencoder_paper") if part == "autoencoder" else ours(part)


@pytest.mark.parametrize("kind, file, part, used, numbers", FULL, ids=[f"{k.name}-{f}" for k, f, *_ in FULL])
def test_every_tensor_at_full_size_has_a_place_or_is_left_out_by_name(kind, file, part, used, numbers):
    shapes = listed(file)
    opened = source(kind, shapes)
    names = [name for entry in opened.entries(_arrays(part)) for name in entry.names]
    assert len(set(names)) == len(names) == used
    if numbers:
        assert sum(math.prod(opened.tensors[name].shape) for name in names) == numbers
    opened.fields  # noqa: B018 - raises where it cannot tell the sizes


def test_the_tail_that_the_reference_net_lacks_is_the_one_after_its_last_tap():
    opened = source(unet.SD15_REFERENCE, listed("sd15_unet"))
    used = {name for entry in opened.entries(ours("reference_net")) for name in entry.names}
    rest = {name.rsplit(".", 1)[0] for name in opened.tensors.keys() - used}
    last = "up_blocks.3.attentions.2"
    inside = ("attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0", "attn2.to_q", "attn2.to_k", "attn2.to_v",
              "attn2.to_out.0", "ff.net.0.proj", "ff.net.2", "norm2", "norm3")
    blocks = {f"{last}.transformer_blocks.0.{name}" for name in inside}
    assert rest == {"conv_norm_out", "conv_out", f"{last}.proj_out"} | blocks


def test_the_sizes_are_those_of_the_file():
    assert source(unet.SD15, listed("sd15_compvis")).fields == {
        "block_out_channels": (320, 640, 1280, 1280), "layers_per_block": 2,
        "attention_levels": (True, True, True, False), "cross_attention_dim": 768, "latent_channels": 4,
    }
    assert source(unet.SD15, listed("sd15_unet"), {"attention_head_dim": 8, "norm_num_groups": 32}).fields.items() >= {
        "num_heads": 8, "norm_groups": 32}.items()
    assert source(autoencoder.SD_VAE, listed("sd15_compvis")).fields == {
        "block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "latent_channels": 4}
    assert source(clip_vision.CLIP_VISION, listed("clip_vision")).fields == {
        "image_size": 224, "patch_size": 14, "width": 1024, "depth": 24, "heads": 16, "projection_dim": 768}
    for name in ("mm_sd_v15_v2", "motion_adapter"):
        assert source(motion_modules.ANIMATEDIFF, listed(name)).fields == {
            "block_out_channels": (320, 640, 1280, 1280), "layers_per_block": 2, "mid_temporal": True,
            "temporal_max_frames": 32}
    assert source(pose_guider.CONTROLNET, listed("controlnet")).fields == {"channels": (16, 32, 96, 256)}


def test_kinds_are_found_by_name_and_parts_by_source():
    assert list(kinds.KINDS) == [
        "sd15-unet", "sd-vae", "clip-vision", "animatediff-v2", "gpt2", "controlnet-openpose", "moore-denoising-unet",
        "moore-reference-unet", "moore-pose-guider", "moore-motion-module",
    ]
    assert set(kinds.SOURCES["moore"]) == {
        "unet", "reference_net", "pose", "motion_modules", "autoencoder", "image_encoder"}
