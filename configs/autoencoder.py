"""Stage 0, the image autoencoder. The paper uses SD1.5's; train one where those weights do not fit or do not exist.

    python -m launch.train --config=configs/autoencoder.py:tiny --config.data.dir=DATA --workdir=out/autoencoder

Variants: "paper" (Stable Diffusion 1.x sizes), "tiny" (toy dancers of 112 x 64) and "shipped" (of 224 x 128,
of the model that comes with the project: docs/toy_model.md). Latents are 8 times smaller than the frames in all.
"""

from ml_collections import ConfigDict

from configs.base import get_base, part
from configs.ranges import DECAY, NOT_NEGATIVE, REMAT, SHARE, OneOf, Range, whole

VARIANTS = ("paper", "tiny", "shipped")
RANGES = {
    "model.block_out_channels": whole(1), "model.layers_per_block": whole(1), "model.latent_channels": whole(1),
    "model.norm_groups": whole(1), "model.remat": REMAT,
    "loss.reconstruction": OneOf(("l1", "l2")), "loss.kl_weight": NOT_NEGATIVE, "loss.stats_decay": DECAY,
    "data.height": whole(1), "data.width": whole(1), "data.augment.crop": Range(0, 0.99), "data.augment.colour": SHARE,
}


def get_config(variant: str = "paper") -> ConfigDict:
    """The config of a variant. Raises ValueError for an unknown one."""
    if variant not in VARIANTS:
        raise ValueError(f"autoencoder config: unknown variant {variant!r}; choose one of {VARIANTS}")
    config = get_base()
    config.name = "autoencoder"
    config.model = ConfigDict({
        "block_out_channels": (128, 256, 512, 512),  # widths from pixels to latents; each step after the first halves
        "layers_per_block": 2,  # residual blocks a level; the decoder has one more
        "latent_channels": 4,  # of a cell of 8 x 8 pixels
        "norm_groups": 32,  # of each group norm
        # What the backward pass finds of each residual block: "none" keeps everything, "dots" weight products and
        # convolutions, "full" its input, "offload" what "dots" does, in the host's memory (TPU, GPU).
        "remat": "none",
    })
    config.loss = ConfigDict({
        "reconstruction": "l1",  # "l1" or "l2" (open)
        "kl_weight": 1e-6,  # Stable Diffusion's; of the KL's sum over a picture, as its loss has it
        "stats_decay": 0.99,  # running moments of the latents, by which the video stage normalises them
    })
    config.parts.autoencoder = part()
    config.data.height, config.data.width = 256, 256  # of random crops (open): the network is convolutional
    config.data.augment.crop = 0.0  # up to this share of height and width is cut away, and the rest enlarged
    config.data.augment.colour = 0.0  # brightness, contrast and saturation change by up to this share
    config.steps, config.batch_size = 100_000, 32
    config.optimizer.learning_rate = 4.5e-6 * 32
    config.optimizer.warmup_steps = 1000
    config.ema_decay = 0.999
    if variant == "tiny":
        _make_tiny(config)
    if variant == "shipped":
        _make_shipped(config)
    return config


def _make_tiny(config: ConfigDict) -> None:
    """One norm group: with 8 channels in 8 groups the last norm would take every channel's mean away, and with it the
    colours of stage and clothes."""
    config.model.update(block_out_channels=(8, 16, 32, 32), layers_per_block=1, latent_channels=16, norm_groups=1)
    config.loss.reconstruction = "l2"
    config.data.height, config.data.width = 56, 32
    config.steps, config.batch_size = 600, 8
    config.optimizer.learning_rate, config.optimizer.schedule = 6e-3, "cosine"
    config.optimizer.warmup_steps = 20
    config.ema_decay = 0.0
    config.log_every, config.eval_every, config.eval_batches = 20, 0, 2
    config.checkpoint.every = 0


def _make_shipped(config: ConfigDict) -> None:
    """Fine enough for fingers: each latent is of a cell half as large, of the dancer, as with "tiny"."""
    _make_tiny(config)
    config.model.update(block_out_channels=(16, 32, 64, 64), latent_channels=16)
    config.data.height, config.data.width = 64, 64
    config.steps, config.batch_size = 3000, 8
    config.optimizer.learning_rate, config.optimizer.warmup_steps = 2e-3, 100
    config.ema_decay = 0.995
    config.checkpoint.every = 500
