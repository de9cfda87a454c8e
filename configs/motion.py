r"""Stage 2, music to pose tokens (paper, section 3.3), over a trained tokenizer.

    python -m launch.train --config=configs/motion.py:medium --config.data.dir=DATA --workdir=out/motion \
        --config.parts.tokenizer.source=run:out/tokenizer [--config.parts.gpt.source=gpt2:model.safetensors]

Variants: "medium" (GPT-2 medium, the paper's model, 2224 positions); "small" (GPT-2 small, its ablation); "tiny" for
the toy dancers on a laptop, "shipped" of the model that comes with the project. The paper's ablations:
--config.model.global_music=False, --config.model.motion_context=False, and sub-datasets with --config.data.share=0.1
over "medium" and "small". num_parts, tokens_per_part and codebook_size must be those of the tokenizer (single_part: 1
and 30; another is refused). "medium" and "small" are the paper's; what goes beyond it is off there:
--config.model.music_kernel=16 filters music.

"finetune" and "tiny_finetune" adapt a trained run to the few clips of one choreography (paper: 30), with its tokenizer:

    python -m launch.train --config=configs/motion.py:finetune --config.data.dir=CHOREOGRAPHY --workdir=out/adapted \
        --config.start=out/motion --config.data.replay_dir=DATA

Of the examples half stay those of the data set that the run was trained on, most of them from a standing pose, so that
the model does not forget how to start from any pose (benchmarks/finetune.py; figures at tiny size in docs/status.md).
"""

from ml_collections import ConfigDict

from configs.base import earlier_part, get_base, part
from configs.ranges import DECAY, FREE, POSITIVE, REMAT, SHARE, Range, whole

VARIANTS = ("medium", "small", "tiny", "shipped", "finetune", "tiny_finetune")
RANGES = {
    "model.num_layers": whole(1), "model.width": whole(1), "model.num_heads": whole(1), "model.num_parts": whole(1),
    "model.tokens_per_part": whole(1), "model.codebook_size": whole(2), "model.segment_frames": whole(1),
    "model.context_frames": whole(1), "model.global_tokens": whole(1), "model.music_width": whole(1),
    "model.music_kernel": whole(0), "model.global_music": FREE, "model.motion_context": FREE, "model.dropout": DECAY,
    "model.remat": REMAT,
    "sampling.temperature": POSITIVE, "sampling.top_k": whole(0), "sampling.top_p": Range(0, 1, open_low=True),
    "overlap_frames": whole(1),
    "data.music": FREE, "data.tokens": FREE, "data.augment.stretch": SHARE,
    "data.previous": whole(1), "data.static_context_rate": SHARE, "data.replay_dir": FREE, "data.replay_rate": DECAY,
    "data.replay_static_context_rate": SHARE,
}


def get_config(variant: str = "medium") -> ConfigDict:
    """The config of a variant. Raises ValueError for an unknown one."""
    if variant not in VARIANTS:
        raise ValueError(f"motion config: unknown variant {variant!r}; choose one of {VARIANTS}")
    config = get_base()
    config.name = "motion"
    config.parts.tokenizer = earlier_part("paper", dtype="float32")  # tokens must be those of the tokenizer alone
    config.parts.gpt = part()  # the paper starts from GPT-2: source "gpt2:FILE"
    config.model = ConfigDict({
        "num_layers": 24, "width": 1024, "num_heads": 16,  # GPT-2 medium
        "num_parts": 5, "tokens_per_part": 6, "codebook_size": 512,  # the tokenizer's
        "segment_frames": 64, "context_frames": 8, "global_tokens": 64,  # paper
        "music_width": 256,  # (open) of the projected music that joins each token's embedding
        "music_kernel": 0,  # frames that the projected music is filtered over, its own the last; 0: no filter (paper)
        "global_music": True, "motion_context": True,  # False: the paper's ablations
        "dropout": 0.1,  # GPT-2
        # What the backward pass finds of each layer and need not compute again: "none" keeps everything, "dots" weight
        # products and fused attention, "full" its input, "offload" what "dots" does, in the host's memory (TPU, GPU).
        # One H200, batch 24: "none" 277 ms a step and 57 GB, "dots" 300 ms and 29 GB.
        "remat": "dots",
    })
    # (open) One value for all parts, or one for each. top_k 0 and top_p 1 leave every token.
    config.sampling = ConfigDict({"temperature": (1.0,), "top_k": (0,), "top_p": (0.95,)})
    config.overlap_frames = 12  # frames shared by neighbouring segments of a song (paper)
    config.data.music = "librosa35"  # name of the data set's music features; ends in their width
    config.data.tokens = ""  # folder of launch.precompute whose pose tokens stand for the poses; "" computes them anew
    config.data.previous = 64  # frames of the segment before, from which context frames are drawn
    config.data.static_context_rate = 0.2  # (open) examples whose segment before stands still, as a photo does
    config.data.augment.stretch = 0.0  # dance and music up to this share faster or slower: 0.1, a tempo of 1/1.1 to 1.1
    config.data.replay_dir = ""  # data set that examples are mixed in from, for fine-tuning
    config.data.replay_rate = 0.5  # (open) share of the examples that come from replay_dir
    config.data.replay_static_context_rate = 0.8  # (open) of these, see static_context_rate
    config.steps, config.batch_size = 300_000, 24  # paper
    config.optimizer.learning_rate = 1e-4  # paper
    if variant == "small":
        config.model.update(num_layers=12, width=768, num_heads=12)
    if variant.startswith("tiny"):
        _make_tiny(config)
    if variant == "shipped":
        _make_shipped(config)
    if variant.endswith("finetune"):
        _make_finetune(config, steps=300 if variant.startswith("tiny") else 5000)
    return config


def _make_tiny(config: ConfigDict) -> None:
    config.model.update(
        num_layers=2, width=64, num_heads=4, tokens_per_part=1, codebook_size=256, segment_frames=32,
        context_frames=4, global_tokens=16, music_width=32, music_kernel=16, dropout=0.0,
        remat="none",
    )
    config.parts.tokenizer.variant = "tiny"
    config.sampling.temperature = (0.8,)  # so small a model spreads its bets
    config.overlap_frames = 6
    config.data.previous = 32
    config.steps, config.batch_size = 2200, 8
    config.optimizer.learning_rate, config.optimizer.schedule = 5e-3, "cosine"
    config.optimizer.warmup_steps = 20
    config.log_every, config.eval_every, config.eval_batches = 50, 0, 2
    config.checkpoint.every = 0


def _make_shipped(config: ConfigDict) -> None:
    _make_tiny(config)
    config.model.update(num_layers=3, width=96, tokens_per_part=2)
    config.parts.tokenizer.variant = "shipped"
    config.steps, config.optimizer.learning_rate, config.optimizer.warmup_steps = 6000, 3e-3, 100
    config.checkpoint.every = 500


def _make_finetune(config: ConfigDict, steps: int) -> None:
    """A fifth of the learning rate, and few steps (open)."""
    config.parts.tokenizer.source = config.parts.gpt.source = "start"
    config.optimizer.learning_rate /= 5
    config.optimizer.schedule, config.optimizer.warmup_steps = "cosine", 20
    config.steps = steps
