"""Stage 1, the pose tokenizer (paper, section 3.2).

    python -m launch.train --config=configs/tokenizer.py:paper --config.data.dir=DATA --workdir=out/tokenizer

Variants: "paper"; "single_part", its ablation: one encoder and one codebook for the whole body, as many tokens a frame;
"tiny" and "tiny_single_part" for the toy dancers on a laptop; "shipped" of the model that comes
with the project (docs/toy_model.md).
"""

from ml_collections import ConfigDict

from configs.base import get_base, part
from configs.ranges import DECAY, FREE, NOT_NEGATIVE, REMAT, SHARE, whole

VARIANTS = ("paper", "single_part", "tiny", "tiny_single_part", "shipped")
RANGES = {
    "single_part": FREE,
    "model.tokens_per_part": whole(1), "model.codebook_size": whole(2), "model.code_dim": whole(1),
    "model.encoder_width": whole(1), "model.decoder_width": whole(1), "model.depth": whole(0), "model.kernel": whole(1),
    "model.decay": DECAY, "model.reset_below": SHARE, "model.remat": REMAT,
    "loss.commitment_weight": NOT_NEGATIVE, "loss.confidence_weighted": FREE,
    "loss.velocity_weight": NOT_NEGATIVE, "loss.acceleration_weight": NOT_NEGATIVE,
    "data.length": whole(1), "data.augment.stretch": SHARE,
}


def get_config(variant: str = "paper") -> ConfigDict:
    """The config of a variant. Raises ValueError for an unknown one."""
    if variant not in VARIANTS:
        raise ValueError(f"tokenizer config: unknown variant {variant!r}; choose one of {VARIANTS}")
    config = get_base()
    config.name = "tokenizer"
    config.single_part = variant.endswith("single_part")  # one part with all joints, in place of five
    config.model = ConfigDict({
        "tokens_per_part": 6, "codebook_size": 512, "code_dim": 6,  # paper
        "encoder_width": 256, "decoder_width": 512, "depth": 4, "kernel": 3,  # (open)
        "decay": 0.99,  # (open) of the codebook's moving averages
        "reset_below": 0.05,  # (open) a code with less than this part of an even share of the latents starts anew
        # What the backward pass finds of each encoder and the decoder: "none" keeps everything, "dots" convolutions,
        # "full" their inputs, "offload" what "dots" does, in the host's memory (TPU, GPU).
        "remat": "none",
    })
    config.loss = ConfigDict({
        "commitment_weight": 0.25,  # (open) the paper's beta
        "confidence_weighted": False,  # True: errors of x and y count by the joint's confidence
        # Beyond the paper, as Bailando has them: errors of velocities and of accelerations. Without them errors of
        # neighbouring frames are independent, and what should be still trembles.
        "velocity_weight": 0.0, "acceleration_weight": 0.0,
    })
    config.parts.tokenizer = part()
    config.data.length = 64  # frames of a window
    config.data.augment.stretch = 0.0  # up to this share faster or slower: 0.1 is a tempo of 1 / 1.1 to 1.1
    config.steps, config.batch_size = 40_000, 2048  # paper
    config.optimizer.learning_rate = 2e-4  # paper
    if variant.startswith("tiny"):
        _make_tiny(config)
    if variant == "shipped":
        _make_shipped(config)
    if config.single_part:
        config.model.tokens_per_part *= 5
    return config


def _make_tiny(config: ConfigDict) -> None:
    config.model.update(
        tokens_per_part=1, codebook_size=256, encoder_width=64, decoder_width=192, depth=1, kernel=5, decay=0.95
    )
    config.data.length = 16
    config.steps, config.batch_size = 500, 32
    config.optimizer.learning_rate, config.optimizer.schedule = 4e-3, "cosine"
    config.log_every, config.eval_every, config.eval_batches = 50, 250, 2
    config.checkpoint.every = 250


def _make_shipped(config: ConfigDict) -> None:
    _make_tiny(config)
    config.model.update(tokens_per_part=2, encoder_width=96, decoder_width=256, depth=2, kernel=7)
    config.loss.update(velocity_weight=1.0, acceleration_weight=1.0)
    config.data.length = 32
    config.steps, config.optimizer.learning_rate, config.optimizer.warmup_steps = 4000, 2e-3, 100
    config.eval_every = config.checkpoint.every = 500
