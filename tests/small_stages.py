"""Configs of all stages, smaller than tiny, for tests that compile whole training steps; and batches for them."""

import numpy as np

from configs import autoencoder, motion, tokenizer, video
from launch.runs import build, resolve

VARIANTS = {
    "tokenizer": "tokenizer:tiny", "motion": "motion:tiny", "autoencoder": "autoencoder:tiny",
    "video_appearance": "video:tiny_appearance", "video_motion": "video:tiny_motion",
    "video_guider": "video:tiny_motion",
}


def config(name, batch_size):
    """Of the stage, not yet resolved, its earlier parts random."""
    made = _made(name)
    for part in made.parts.values():
        part.source = "part:unet" if part.source == "part:unet" else "random"
    made.batch_size, made.ema_decay, made.optimizer.warmup_steps, made.samples = batch_size, 0.9, 0, 0
    return made


def smallest(name, batch_size):
    """The same, resolved."""
    return resolve.resolve(config(name, batch_size))


def batch_of(config):
    """Made up, of a resolved config."""
    rng = np.random.default_rng(0)
    found = {}
    for name, leaf in build.batch_shapes(config).items():
        if leaf.dtype == np.uint8:
            found[name] = rng.integers(0, 256, leaf.shape, np.uint8)
        elif leaf.dtype == np.int32:
            found[name] = np.sort(rng.integers(0, 4, leaf.shape, np.int32))
        else:
            found[name] = rng.uniform(0, 1, leaf.shape).astype(np.float32)
    return found


def _made(name):
    if name.startswith("video"):
        made = video.get_config(VARIANTS[name].partition(":")[2])
        made.pose_control = "pose_guider" if name == "video_guider" else "motion_decoder"
        made.data.update(height=40, width=24, frames=1 if name == "video_appearance" else 2)
        made.model.unet.update(block_out_channels=(8,), norm_groups=2, cross_attention_dim=8)
        made.model.image_encoder.update(image_size=28, width=8, projection_dim=8)
        made.model.motion_decoder.update(block_out_channels=(8,), latent_size=(5, 3), channels=(8,), style_width=8)
        made.model.pose_guider.update(block_out_channels=(8,), channels=(4, 4, 4, 4))
        return made
    if name == "motion":
        made = motion.get_config("tiny")
        made.model.update(width=16, num_heads=2, segment_frames=4, context_frames=2, global_tokens=4, music_width=8)
        made.data.previous, made.overlap_frames = 4, 2
        return made
    if name == "autoencoder":
        made = autoencoder.get_config("tiny")
        made.model.update(block_out_channels=(8, 8, 8, 8))
        # XLA's CPU client turns a convolution round whose kernel is larger than the picture, and is wrong then on a
        # mesh (jax 0.10.2): no latents of 2 x 2 here.
        made.data.update(height=32, width=16)
        return made
    made = tokenizer.get_config("tiny")
    made.model.update(encoder_width=8, decoder_width=8, codebook_size=16)
    made.data.length = 4
    return made
