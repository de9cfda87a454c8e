r"""Stage 3, latent video diffusion (paper, section 3.5), in two phases.

    python -m launch.train --config=configs/video.py:paper_appearance --config.data.dir=DATA --workdir=out/appearance \
        --config.parts.autoencoder.source=run:out/autoencoder
    python -m launch.train --config=configs/video.py:paper_motion --config.data.dir=DATA --workdir=out/video \
        --config.start=out/appearance --config.parts.tokenizer.source=run:out/tokenizer

Variants: {paper, animate_anyone, moore, tiny, shipped}_{appearance, motion}. "paper" is Stable Diffusion 1.5 at 896 x
512, trained as the paper says: the appearance phase has no pose control, the motion phase trains it with the motion
modules over a frozen U-Net and ReferenceNet. "pose_guider_motion" is the paper's ablation: the same with a pose guider
in place of the motion decoder, from the same appearance run. "animate_anyone" is that project's recipe at the paper's
size and steps: a pose guider in both phases, noise offset and min-SNR weights. "moore" is the same as
Moore-AnimateAnyone trains it, with v-prediction and zero terminal SNR: its public weights become a run of it by
`launch.convert --kind moore` (docs/weights.md). "tiny" are toy dancers at 112 x 64, with what helps so small a model
beyond the paper: the motion decoder learns in both phases, and the photo's latents join the U-Net's input. "shipped"
is the model that comes with the project (docs/toy_model.md): the same at 224 x 128, with a pose guider, which learns
where limbs are in hours of two cores.
"""

from ml_collections import ConfigDict

from configs.base import earlier_part, get_base, part
from configs.ranges import FREE, NOT_NEGATIVE, REMAT, SHARE, OneOf, Range, whole

SIZES, PHASES = ("paper", "animate_anyone", "moore", "tiny", "shipped"), ("appearance", "motion")
VARIANTS = (*(f"{size}_{phase}" for size in SIZES for phase in PHASES), "pose_guider_motion")
RANGES = {
    "phase": OneOf(PHASES), "pose_control": OneOf(("none", "motion_decoder", "pose_guider")), "photo_latents": FREE,
    "model.unet.attention_levels": FREE, "model.unet.mid_temporal": FREE, "model.unet.remat": REMAT,
    "model.image_encoder.framing": OneOf(("pad", "crop", "squash")),
    "model.motion_decoder.temporal_kernel": whole(0),
    "model.*": whole(1),  # widths, counts and sizes, all of them
    "schedule.kind": OneOf(("linear", "scaled_linear", "squared_cosine")), "schedule.num_steps": whole(2),
    "schedule.beta_start": Range(0, 1, open_low=True, open_high=True),
    "schedule.beta_end": Range(0, 1, open_low=True, open_high=True), "schedule.zero_terminal_snr": FREE,
    "objective.prediction": OneOf(("epsilon", "sample", "v_prediction")), "objective.condition_dropout": SHARE,
    "objective.noise_offset": NOT_NEGATIVE, "objective.min_snr_gamma": NOT_NEGATIVE,
    "objective.eval_buckets": whole(1),
    "sampler.solver": OneOf(("ddim", "dpmsolver++")), "sampler.num_steps": whole(1),
    "sampler.spacing": OneOf(("trailing", "leading")),
    "sampler.eta": SHARE, "sampler.guidance": NOT_NEGATIVE, "sampler.window": whole(1), "sampler.overlap": whole(0),
    "sampler.weights": OneOf(("uniform", "ramp")), "sampler.shift": FREE, "sampler.windows_at_once": whole(1),
    "sampler.decode_chunk": whole(1),
    "data.augment.crop": Range(0, 0.99), "data.augment.colour": SHARE,
    "data.latents": FREE, "data.embeddings": FREE, "data.tokens": FREE,
    "data.height": whole(1), "data.width": whole(1), "data.frames": whole(1), "data.reference_gap": whole(0),
}


def get_config(variant: str = "paper_appearance") -> ConfigDict:
    """The config of a variant. Raises ValueError for an unknown one."""
    if variant not in VARIANTS:
        raise ValueError(f"video config: unknown variant {variant!r}; choose one of {VARIANTS}")
    size, phase = variant.rsplit("_", 1)
    config = get_base()
    config.name = "video"
    config.phase = phase  # "appearance": two random frames of a clip; "motion": `data.frames` consecutive ones
    config.pose_control = "none" if phase == "appearance" else "motion_decoder"  # or "pose_guider" (ablation)
    config.photo_latents = False  # beyond the paper: a convolution of the photo's latents joins the U-Net's input
    config.model = _paper_model()
    config.schedule = ConfigDict({
        "kind": "scaled_linear", "num_steps": 1000, "beta_start": 0.00085, "beta_end": 0.012,  # Stable Diffusion 1.x
        "zero_terminal_snr": False,  # True: the last time step is pure noise
    })
    config.objective = ConfigDict({
        "prediction": "epsilon",  # "epsilon" (SD1.5), "sample" or "v_prediction"; the latter two for zero terminal SNR
        "condition_dropout": 0.1,  # (open) clips that train without photo
        "noise_offset": 0.0,  # beyond the paper: 0.05 is AnimateAnyone's
        "min_snr_gamma": 0.0,  # beyond the paper: 5 is AnimateAnyone's; 0 weighs all time steps alike
        "eval_buckets": 4,  # in evaluation every clip is looked at once in each of so many equal ranges of time steps
    })
    config.sampler = ConfigDict({
        "solver": "ddim",  # (open) or "dpmsolver++": DPM-Solver++ (2M), closer to the limit of many steps in as many
        "num_steps": 20, "spacing": "trailing",  # (open)
        "eta": 0.0,  # of DDIM: 1 draws as much fresh noise as DDPM
        "guidance": 3.5,  # (open) AnimateAnyone's; 1 for none
        "window": 16, "overlap": 4,  # frames of a temporal window, and shared by neighbours
        "weights": "uniform",  # (paper) where windows meet; "ramp": less towards their ends
        "shift": False,  # True: windows begin elsewhere at each step; pose features are then made anew at each
        "windows_at_once": 1,  # denoised as one batch on a device
        "decode_chunk": 8,  # frames decoded at once
    })
    config.data.height, config.data.width = 896, 512  # pixels of the frames (paper)
    config.data.frames = 1 if phase == "appearance" else 16  # of a clip, painted at once
    config.data.reference_gap = 30  # (open) frames between the reference and the target window, where the clip allows
    config.data.latents = ""  # folder of launch.precompute whose latents stand for the pictures; "" computes them anew
    config.data.embeddings = ""  # the same of the image encoder's
    config.data.tokens = ""  # the same of pose tokens, for the motion decoder
    config.data.augment.crop = 0.0  # up to this share of height and width is cut away, and the rest enlarged
    config.data.augment.colour = 0.0  # brightness, contrast and saturation change by up to this share
    config.parts = _parts(phase)
    config.steps, config.batch_size = 90_000, 16
    config.optimizer.learning_rate = 1e-5
    if size == "pose_guider":
        config.pose_control = "pose_guider"
    if size in ("animate_anyone", "moore"):
        _make_animate_anyone(config)
    if size == "moore":
        _make_moore(config)
    if size == "tiny":
        _make_tiny(config)
    if size == "shipped":
        _make_shipped(config)
    return config


def _parts(phase: str) -> ConfigDict:
    """The paper's: which parts a phase trains, and where they come from. Parts that a model lacks are not looked at."""
    first = phase == "appearance"
    trained, before = ((".*",), "random") if first else ((), "start")
    parts = ConfigDict()
    parts.autoencoder = earlier_part("paper", "" if first else "start")
    parts.tokenizer = earlier_part("paper", dtype="float32")  # of the motion decoder: tokens as stage 2 writes them
    parts.unet = part(before, trained)
    parts.reference_net = part("part:unet" if first else "start", trained)  # "a trainable copy" (paper)
    parts.image_encoder = part(before, ())  # CLIP stays as it is
    parts.photo = part(before, trained)
    parts.motion_modules = part()
    parts.pose = part()
    return parts


def _paper_model() -> ConfigDict:
    widths = (320, 640, 1280, 1280)
    return ConfigDict({
        "unet": {  # the ReferenceNet takes the fields that it shares; motion modules exist in the motion phase alone
            "block_out_channels": widths, "layers_per_block": 2, "attention_levels": (True, True, True, False),
            "num_heads": 8, "cross_attention_dim": 768, "latent_channels": 4, "norm_groups": 32,
            "temporal_heads": 8, "temporal_max_frames": 32, "mid_temporal": True,
            # What the backward pass finds of each resnet, transformer and motion block: "none" keeps everything, "dots"
            # weight products and convolutions, "attention" its input and what fused attention gives, "full" its input,
            # "offload" what "dots" does, in the host's memory.
            "remat": "attention",
        },
        "image_encoder": {  # CLIP ViT-L/14
            "image_size": 224, "patch_size": 14, "width": 1024, "depth": 24, "heads": 16, "projection_dim": 768,
            # (open) How a photo becomes square: "pad" shows all of it, "crop" its middle (CLIP's own preprocessing,
            # which cuts head and feet off a standing dancer), "squash" all of it, narrower (Moore-AnimateAnyone).
            "framing": "pad",
        },
        "motion_decoder": {  # (open) own widths, finest level first
            "block_out_channels": widths, "latent_size": (112, 64), "channels": (128, 256, 512, 512),
            "style_width": 512,
            "temporal_kernel": 31,  # frames a style is mixed over: a 16-frame window to either side (paper); 0: its own
        },
        "pose_guider": {  # the U-Net's widths, and those from pixels to latents
            "block_out_channels": widths, "channels": (16, 32, 96, 256),
        },
    })


def _make_animate_anyone(config: ConfigDict) -> None:
    config.pose_control = "pose_guider"
    config.objective.update(noise_offset=0.05, min_snr_gamma=5.0)
    if config.phase == "motion":
        config.parts.pose = part("start", ())


def _make_moore(config: ConfigDict) -> None:
    """As its training has it: its inference has a "linear" schedule, which gives noisy backgrounds (EchoMimic#127);
    --config.schedule.kind=linear is the switch."""
    config.schedule.zero_terminal_snr = True
    config.objective.prediction = "v_prediction"
    config.model.image_encoder.framing = "squash"  # of its inference, by which CLIP sees the photo
    config.sampler.update(num_steps=30, window=24)
    config.data.height, config.data.width = 768, 512
    if config.phase == "motion":
        config.data.frames = 24


def _make_tiny(config: ConfigDict) -> None:
    """One level over latents 8 times smaller than the frames: 14 x 8 cells, few enough for attention everywhere. Most
    time steps are close to pure noise, and sampling takes one: where so little is learnt, the mean of what may be."""
    widths = (64,)
    config.model.unet.update(
        block_out_channels=widths, layers_per_block=1, attention_levels=(True,), num_heads=2,
        cross_attention_dim=32, latent_channels=16, norm_groups=4, temporal_heads=2, temporal_max_frames=16,
        remat="none",
    )
    config.model.image_encoder.update(image_size=56, patch_size=14, width=32, depth=1, heads=2, projection_dim=32)
    config.model.motion_decoder.update(
        block_out_channels=widths, latent_size=(14, 8), channels=(96,), style_width=256, temporal_kernel=5
    )
    config.model.pose_guider.update(block_out_channels=widths, channels=(8, 16, 32, 32))
    config.schedule.update(zero_terminal_snr=True, beta_end=0.1)
    config.objective.update(prediction="v_prediction")
    config.sampler.update(num_steps=1, guidance=1.0)
    config.data.height, config.data.width = 112, 64
    config.steps, config.batch_size = (500, 8) if config.phase == "appearance" else (60, 1)
    config.optimizer.learning_rate, config.optimizer.schedule = 2e-3, "cosine"
    config.optimizer.warmup_steps = 20
    config.ema_decay = 0.98
    config.log_every, config.eval_every, config.eval_batches = 20, 0, 2
    config.checkpoint.every = 0
    config.pose_control, config.photo_latents = "motion_decoder", True
    config.parts.autoencoder.variant = config.parts.tokenizer.variant = "tiny"
    if config.phase == "appearance":
        config.parts.image_encoder.trainable = (".*",)  # no CLIP weights at this size: learn it
    else:
        config.parts.tokenizer.source = config.parts.pose.source = "start"


def _make_shipped(config: ConfigDict) -> None:
    """28 x 16 cells of latents, at two levels; the photo is attended to at the coarser. More time steps than with
    "tiny" are close to pure noise, where sampling begins and takes its one step."""
    _make_tiny(config)
    widths = (64, 128)
    config.model.unet.update(block_out_channels=widths, attention_levels=(False, True))
    config.model.motion_decoder.update(block_out_channels=widths, latent_size=(28, 16), channels=(96, 128))
    config.model.pose_guider.update(block_out_channels=widths)
    config.schedule.beta_end, config.objective.condition_dropout = 0.5, 0.0
    config.pose_control = "pose_guider"
    config.data.height, config.data.width = 224, 128
    config.parts.autoencoder.variant = config.parts.tokenizer.variant = "shipped"
    config.steps, config.batch_size = (5000, 4) if config.phase == "appearance" else (400, 1)
    config.optimizer.learning_rate, config.optimizer.warmup_steps = 1e-3, 100
    config.ema_decay = 0.995
    config.checkpoint.every = 250
