"""A folder of Moore-AnimateAnyone's layout with random weights, one level deep; safetensors: no torch is needed."""

import json

import jax
import numpy as np

from configs import video
from launch.converting.places import MOORE_KINDS
from launch.runs import loading, resolve
from xdancer_jax import sharding
from xdancer_jax.pretrained import table

FILES = {
    "unet": "denoising_unet", "reference_net": "reference_unet", "pose": "pose_guider",
    "motion_modules": "motion_module", "autoencoder": "sd-vae-ft-mse/diffusion_pytorch_model",
    "image_encoder": "image_encoder/model",
}
_BESIDE = {  # what config.json says that no shape does
    "": {"attention_head_dim": 2, "norm_num_groups": 4, "motion_num_attention_heads": 2, "motion_norm_num_groups": 4},
    "sd-vae-ft-mse": {"norm_num_groups": 2, "scaling_factor": 0.5}, "image_encoder": {"num_attention_heads": 2},
}


def config():
    """Of a run over the set, resolved."""
    found = video.get_config("moore_motion")
    for part in found.parts.values():
        part.source = "random"
    found.model.unet.update(
        block_out_channels=(8,), layers_per_block=1, attention_levels=(True,), num_heads=2, cross_attention_dim=6,
        norm_groups=4, temporal_heads=2,
    )
    found.model.image_encoder.update(image_size=8, patch_size=4, width=8, depth=1, heads=2, projection_dim=6)
    found.model.pose_guider.update(block_out_channels=(8,), channels=(2, 3, 4, 5))
    found = resolve.resolve(found.lock())
    found.earlier.autoencoder.model.update(block_out_channels=(4, 4, 4, 4), layers_per_block=1, norm_groups=2)
    return found


def write(folder):
    """Writes the set. Returns {part: {path of ours: array}}."""
    mesh = sharding.make_mesh({"data": 1, "fsdp": 1, "tensor": 1}, jax.devices()[:1])
    rng, made = np.random.default_rng(0), {part: {} for part in FILES}
    for path, leaf in sorted(loading.placed(config(), mesh, "data").items()):
        tree, part, rest = path.split("/", 2)
        if tree == "params":
            made[part][rest] = rng.standard_normal(leaf.shape).astype(np.float32)
    for beside, content in _BESIDE.items():
        (folder / beside).mkdir(parents=True, exist_ok=True)
        (folder / beside / "config.json").write_text(json.dumps(content))
    for part, file in FILES.items():
        shapes = {path: array.shape for path, array in made[part].items()}
        table.write(MOORE_KINDS[part], folder / f"{file}.safetensors", shapes, made[part].items())
    return made
