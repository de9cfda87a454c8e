r"""Stage 3, latent video diffusion (paper, section 3.5), in two phases.

    python -m launch.train --config=configs/video.py:paper_appearance --config.data.dir=DATA --workdir=out/appearance \
        --config.autoencoder_from=out/autoencoder --config.tokenizer_from=out/tokenizer
    python -m launch.train --config=configs/video.py:paper_motion --config.data.dir=DATA --workdir=out/video \
        --config.autoencoder_from=out/autoencoder --config.tokenizer_from=out/tokenizer \
        --config.init_from=out/appearance

Variants: {paper, tiny}_{appearance, motion}. "paper" is Stable Diffusion 1.5 at 896 x 512; "tiny" are toy dancers at
112 x 64. `--config.pose_control=pose_guider` is the paper's ablation, drawn skeletons in place of pose tokens.

The paper trains the pose control in the motion phase alone. Here it trains in both (open): AnimateAnyone's first phase
does too, since without a pose the target frame cannot be known. `trainable` lists what a phase trains.
"""

from ml_collections import ConfigDict

from configs.base import get_base

VARIANTS = ("paper_appearance", "paper_motion", "tiny_appearance", "tiny_motion")
_TEMPORAL = r"^unet/.*motion_modules"


def get_config(variant: str = "paper_appearance") -> ConfigDict:
    """The config of a variant. Raises ValueError for an unknown one."""
    if variant not in VARIANTS:
        raise ValueError(f"video config: unknown variant {variant!r}; choose one of {VARIANTS}")
    size, phase = variant.split("_")
    config = get_base()
    config.name = "video"
    config.phase = phase  # "appearance": two random frames of a clip; "motion": `data.frames` consecutive ones
    config.pose_control = "motion_decoder"  # or "pose_guider" (ablation)
    config.autoencoder_from = ""  # work directory of the autoencoder whose latents these are; frozen
    config.tokenizer_from = ""  # work directory of the pose tokenizer; frozen; the motion decoder needs it
    config.init_from = ""  # work directory of the appearance phase, from which the motion phase starts
    config.model = _paper_model()
    config.schedule = ConfigDict({
        "kind": "scaled_linear", "num_steps": 1000, "beta_start": 0.00085, "beta_end": 0.012,  # Stable Diffusion 1.x
        "zero_terminal_snr": False,
    })
    config.objective = ConfigDict({
        "prediction": "epsilon",  # "epsilon" (SD1.5), "sample" or "v_prediction"; the latter two for zero terminal SNR
        "condition_dropout": 0.1,  # clips that train without photo
        "noise_offset": 0.05,  # (open) AnimateAnyone's
        "min_snr_gamma": 5.0,  # (open) AnimateAnyone's; 0 weighs all time steps alike
    })
    config.sampler = ConfigDict({
        "num_steps": 20, "spacing": "trailing", "eta": 0.0,  # DDIM (open)
        "guidance": 3.5,  # (open) AnimateAnyone's; 1 for none
        "window": 16, "overlap": 4,  # frames of a temporal window, and shared by neighbours
        "decode_chunk": 8,  # frames decoded at once
    })
    config.data.height, config.data.width = 896, 512
    config.data.frames = 1 if phase == "appearance" else 16
    config.trainable = _trainable(phase)
    config.steps, config.batch_size = 90_000, 16
    config.optimizer.learning_rate = 1e-5
    if size == "tiny":
        _make_tiny(config)
    return config


def _trainable(phase: str) -> tuple[str, ...]:
    """The image encoder (CLIP) stays as it is; what is trained follows the paper, but for the pose control (above)."""
    if phase == "motion":
        return (_TEMPORAL, r"^pose/")
    return (r"^unet/(?!.*motion_modules)", r"^reference_net/", r"^photo/", r"^pose/")


def _paper_model() -> ConfigDict:
    widths = (320, 640, 1280, 1280)
    return ConfigDict({
        "unet": {  # the ReferenceNet takes the fields that it shares
            "block_out_channels": widths, "layers_per_block": 2, "attention_levels": (True, True, True, False),
            "num_heads": 8, "cross_attention_dim": 768, "latent_channels": 4, "norm_groups": 32, "temporal": True,
            "temporal_heads": 8, "temporal_max_frames": 32, "mid_temporal": True, "remat": True,
        },
        "image_encoder": {  # CLIP ViT-L/14
            "image_size": 224, "patch_size": 14, "width": 1024, "depth": 24, "heads": 16, "projection_dim": 768,
        },
        "motion_decoder": {  # (open) own widths, finest level first
            "block_out_channels": widths, "latent_size": (112, 64), "channels": (128, 256, 512, 512),
            "style_width": 512, "temporal_kernel": 5,
        },
        "pose_guider": {"block_out_channels": widths, "channels": (16, 32, 96, 256)},
    })


def _make_tiny(config: ConfigDict) -> None:
    """One level over latents 8 times smaller than the frames: 14 x 8 cells, few enough for attention everywhere. Most
    time steps are close to pure noise, and sampling takes one: where so little is learnt, the mean of what may be."""
    widths = (64,)
    config.model.unet.update(
        block_out_channels=widths, layers_per_block=1, attention_levels=(True,), num_heads=2,
        cross_attention_dim=32, latent_channels=16, norm_groups=4, temporal_heads=2, temporal_max_frames=16,
        remat=False,
    )
    config.model.image_encoder.update(image_size=56, patch_size=14, width=32, depth=1, heads=2, projection_dim=32)
    config.model.motion_decoder.update(
        block_out_channels=widths, latent_size=(14, 8), channels=(96,), style_width=256
    )
    config.model.pose_guider.update(block_out_channels=widths, channels=(8, 16, 32, 32))
    config.schedule.update(zero_terminal_snr=True, beta_end=0.1)
    config.objective.update(prediction="v_prediction", noise_offset=0.0, min_snr_gamma=0.0)
    config.sampler.update(num_steps=1, guidance=1.0)
    config.data.height, config.data.width = 112, 64
    config.steps, config.batch_size = (500, 8) if config.phase == "appearance" else (60, 1)
    config.optimizer.learning_rate, config.optimizer.schedule = 2e-3, "cosine"
    config.optimizer.warmup_steps = 20
    config.ema_decay = 0.98
    config.log_every, config.eval_every, config.eval_batches = 20, 0, 2
    config.checkpoint.every = 0
    if config.phase == "appearance":
        config.trainable = (*config.trainable, r"^image_encoder/")  # no CLIP weights at this size: learn it
