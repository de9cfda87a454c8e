"""The ablation rows of the paper's tables 3 (transformer) and 4 (tokenizer and motion decoder), over all their stages.

    python -m launch.sweep --config configs/motion.py:medium --sweep configs/sweeps/ablations.py \
        --config.data.dir=DATA --out out/ablations            # the paper's sizes and steps, one seed
    ... --config configs/motion.py:tiny --sweep configs/sweeps/ablations.py:tiny      # toy dancers, three seeds
    ... --sweep configs/sweeps/ablations.py:motion            # table 3 alone; :video table 4; :tiny_motion, :tiny_video

What a row stands on is trained once: both tokenizers, the autoencoder, the appearance phase. Any config will do as
--config; each run names its own.

Not here: "multi-part + PG" on reconstructed poses, which is the run "pose guider" evaluated on other poses, and every
figure that launch.evaluate does not give yet (FVD, FID-VID, LPIPS, ID-SIM; docs/metrics.md).
"""

from collections.abc import Iterator

from configs.sweeping import Overrides


def sweep() -> Iterator[Overrides]:
    yield from sweep_motion()
    yield from sweep_video()


def sweep_motion() -> Iterator[Overrides]:
    """Table 3: music-to-motion without a context, and with a tenth of the data (open) in two sizes."""
    yield from _motion("medium", _tokenizer("paper", 0), 0)
    yield from _motion_shares(("medium", "small"), _tokenizer("paper", 0), 0)


def sweep_video() -> Iterator[Overrides]:
    """Table 4: tokenizer and pose control, over one appearance phase."""
    multi, single = _tokenizer("paper", 0), _tokenizer("single_part", 0)
    appearance = {
        "config": "configs/video.py:paper_appearance", "label": "appearance",
        "parts.autoencoder.source": {"config": "configs/autoencoder.py:paper", "label": "autoencoder"},
    }
    base = {"config": "configs/video.py:paper_motion", "start": appearance}
    yield base | {"label": "pose guider", "pose_control": "pose_guider"}
    yield base | {"label": "single-part + motion decoder", "parts.tokenizer.source": single}
    yield base | {"label": "multi-part + motion decoder", "parts.tokenizer.source": multi}


def sweep_tiny() -> Iterator[Overrides]:
    yield from sweep_tiny_motion()
    yield from sweep_tiny_video()


def sweep_tiny_motion() -> Iterator[Overrides]:
    """Table 3 at toy size, where a share of the data stands for both of its rows."""
    for seed in range(3):
        yield from _motion("tiny", _tokenizer("tiny", seed), seed)
        yield from _motion_shares(("tiny",), _tokenizer("tiny", seed), seed)


def sweep_tiny_video() -> Iterator[Overrides]:
    """Table 4 at toy size, where the pose control learns in both phases, so that each has an appearance phase."""
    autoencoder = {"config": "configs/autoencoder.py:tiny", "label": "autoencoder"}
    for seed in range(3):
        for label, control, tokenizer in (
            ("pose guider", "pose_guider", "tiny"),
            ("single-part + motion decoder", "motion_decoder", "tiny_single_part"),
            ("multi-part + motion decoder", "motion_decoder", "tiny"),
        ):
            appearance = {
                "config": "configs/video.py:tiny_appearance", "label": f"appearance, {label}", "pose_control": control,
                "parts.autoencoder.source": autoencoder, "seed": seed,
            }
            if control == "motion_decoder":
                appearance["parts.tokenizer.source"] = _tokenizer(tokenizer, seed)
            yield {
                "config": "configs/video.py:tiny_motion", "label": label, "pose_control": control, "start": appearance,
                "seed": seed,
            }


def _tokenizer(variant: str, seed: int) -> Overrides:
    label = "single-part tokenizer" if variant.endswith("single_part") else "multi-part tokenizer"
    return {"config": f"configs/tokenizer.py:{variant}", "label": label, "seed": seed}


def _motion(variant: str, tokenizer: Overrides, seed: int) -> Iterator[Overrides]:
    base = {"config": f"configs/motion.py:{variant}", "parts.tokenizer.source": tokenizer, "seed": seed}
    yield base | {"label": "full model"}
    yield base | {"label": "no global music", "model.global_music": False}
    yield base | {"label": "no motion context", "model.motion_context": False}


def _motion_shares(variants: tuple[str, ...], tokenizer: Overrides, seed: int) -> Iterator[Overrides]:
    for variant in variants:
        yield {
            "config": f"configs/motion.py:{variant}", "label": f"sub-dataset, {variant}", "data.share": 0.1,
            "parts.tokenizer.source": tokenizer, "seed": seed,
        }
