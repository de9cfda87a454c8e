"""Configs of every stage smaller than tiny, and batches for them."""

import numpy as np

from configs import autoencoder, motion, tokenizer, video
from launch.runs import build, resolve

STAGES = ("tokenizer", "motion", "autoencoder", "video_appearance", "video_motion", "video_guider")


def smallest(name, batch=88):
    """A config of the stage, smaller than tiny, its earlier parts random."""
    if name.startswith("video"):
        config = video.get_config("tiny_appearance" if name == "video_appearance" else "tiny_motion")
        config.pose_control = "pose_guider" if name == "video_guider" else "motion_decoder"
        config.data.update(height=40, width=24, frames=1 if name == "video_appearance" else 2)
        config.model.unet.update(block_out_channels=(8,), norm_groups=2, cross_attention_dim=8)
        config.model.image_encoder.update(image_size=28, width=8, projection_dim=8)
        config.model.motion_decoder.update(block_out_channels=(8,), latent_size=(5, 3), channels=(8,), style_width=8)
        config.model.pose_guider.update(block_out_channels=(8,), channels=(4, 4, 4, 4))
    elif name == "motion":
        config = motion.get_config("tiny")
        config.model.update(width=16, num_heads=2, segment_frames=4, context_frames=2, global_tokens=4, music_width=8)
        config.data.previous, config.overlap_frames = 4, 2
    elif name == "autoencoder":
        config = autoencoder.get_config("tiny")
        config.model.update(block_out_channels=(8, 8, 8, 8))
        # XLA's CPU client turns a convolution round whose kernel is larger than the picture, and is wrong then on a
        # mesh (jax 0.10.2): no latents of 2 x 2 here.
        config.data.update(height=32, width=16)
    else:
        config = tokenizer.get_config("tiny")
        config.model.update(encoder_width=8, decoder_width=8, codebook_size=16)
        config.data.length = 4
    for part in config.parts.values():
        part.source = "part:unet" if part.source == "part:unet" else "random"
    config.batch_size, config.ema_decay, config.optimizer.warmup_steps = batch, 0.9, 0
    return resolve.resolve(config)


def batch_of(config):
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
