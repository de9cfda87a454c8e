import fnmatch
import functools
import importlib
import math

import pytest

from configs import autoencoder, base, motion, ranges, tokenizer, video
from launch import stages
from launch.runs import resolve, sources
from launch.shell import fields

CONFIGS = [(module, variant) for module in (autoencoder, motion, tokenizer, video) for variant in module.VARIANTS]


def random(config):
    """`config` with parts that need no run."""
    for part in config.parts.values():
        part.source = "random" if part.source in ("", "start") else part.source
    return config


@pytest.mark.parametrize("module, variant", CONFIGS, ids=lambda value: getattr(value, "__name__", value))
def test_every_variant_of_every_stage_becomes_a_stage(module, variant):
    config = resolve.resolve(random(module.get_config(variant)).lock())
    stage = stages.find(config.name).make(config)
    assert stage.name == config.name
    assert set(stage.parts) == set(stages.find(config.name).modules(config)) <= set(config.parts)
    assert set(config.earlier) == set(stages.find(config.name).earlier(config))
    assert set(sources.parts(config)) == set(stage.parts)


def test_every_stage_has_a_config_and_a_file():
    assert stages.names() == ["autoencoder", "motion", "tokenizer", "video"]
    for name in stages.names():
        assert importlib.import_module(f"configs.{name}").get_config().name == name
        assert importlib.import_module(f"xdancer_jax.stages.{name}").make
    with pytest.raises(ValueError, match="config.name: unknown stage 'musik'; choose one of"):
        stages.find("musik")


def parts_of(variant, **changes):
    config = random(video.get_config(variant))
    config.update(changes)
    return resolve.resolve(config)


def test_the_papers_video_phases_have_the_papers_parts():
    names = {variant: set(stages.find("video").modules(parts_of(variant))) for variant in video.VARIANTS}
    appearance = {"autoencoder", "unet", "reference_net", "image_encoder"}
    assert names["paper_appearance"] == appearance
    assert names["paper_motion"] == appearance | {"motion_modules", "pose", "tokenizer"}
    assert names["animate_anyone_appearance"] == appearance | {"pose"}
    assert names["animate_anyone_motion"] == appearance | {"pose", "motion_modules"}
    assert names["tiny_appearance"] == appearance | {"pose", "tokenizer", "photo"}


def test_what_goes_beyond_the_paper_is_off_at_its_sizes():
    for variant in ("paper_appearance", "paper_motion"):
        config = video.get_config(variant)
        assert (config.photo_latents, config.objective.noise_offset, config.objective.min_snr_gamma) == (False, 0, 0)
        assert config.model.motion_decoder.temporal_kernel == 31 and config.data.reference_gap == 30
    assert motion.get_config("medium").model.music_kernel == motion.get_config("small").model.music_kernel == 0
    assert motion.get_config("tiny").model.music_kernel == 16


def trained_in(variant):
    return {name: bool(part.trainable) for name, part in sources.parts(parts_of(variant)).items()}


def test_the_phases_train_what_the_paper_says():
    assert trained_in("paper_appearance") == {
        "autoencoder": False, "unet": True, "reference_net": True, "image_encoder": False
    }
    assert trained_in("paper_motion") == {
        "autoencoder": False, "tokenizer": False, "unet": False, "motion_modules": True, "reference_net": False,
        "image_encoder": False, "pose": True,
    }
    assert sources.parts(parts_of("paper_appearance"))["reference_net"].copy == "unet"


@pytest.mark.parametrize("variant", video.VARIANTS)
def test_networks_of_a_variant_fit_one_another(variant):
    made = stages.find("video").networks(parts_of(variant))
    assert made.unet.layout.block_out_channels == made.reference_net.layout.block_out_channels
    assert made.unet.latent_channels == made.autoencoder.latent_channels
    assert made.unet.temporal == variant.endswith("motion")
    if made.tokenizer is not None:  # the motion decoder's map must lie on the latents of the config's frames
        config, factor = video.get_config(variant), made.autoencoder.downsampling
        assert made.pose.latent_size == (config.data.height // factor, config.data.width // factor)


@pytest.mark.parametrize("variant", motion.VARIANTS)
def test_motion_variants_fit_their_tokenizers(variant):
    config = resolve.resolve(random(motion.get_config(variant)))
    theirs = config.earlier.tokenizer.model
    assert (config.model.tokens_per_part, config.model.codebook_size) == (theirs.tokens_per_part, theirs.codebook_size)
    gpt = stages.find("motion").modules(config)["gpt"]
    small = {"tiny": 196, "tiny_finetune": 196, "shipped": 376}
    assert gpt.num_positions == small.get(variant, 2224)


def test_frozen_parts_are_held_in_the_dtype_that_the_run_computes_in_but_the_tokenizer():
    config = random(video.get_config("paper_motion"))
    config.dtype = "bfloat16"
    dtypes = {name: part.dtype for name, part in sources.parts(resolve.resolve(config)).items()}
    assert dtypes.pop("tokenizer") == "float32" and set(dtypes.values()) == {"bfloat16"}
    config.parts.unet.dtype = "float32"
    assert sources.parts(resolve.resolve(config))["unet"].dtype == "float32"


@pytest.mark.parametrize("module, variant", CONFIGS, ids=lambda value: getattr(value, "__name__", value))
def test_every_field_has_a_range_and_lies_in_it(module, variant):
    config = module.get_config(variant)
    allowed = ranges.of_stage(config.name)
    for path, value in fields.leaves(config):
        known = ranges.find(allowed, ".".join(path))
        assert known is not None, f"configs/{config.name}.py: RANGES lacks {'.'.join(path)}"
        assert known.holds(value)


def test_every_range_is_of_a_field():
    for module in (autoencoder, motion, tokenizer, video):
        names = {".".join(path) for variant in module.VARIANTS for path, _ in fields.leaves(module.get_config(variant))}
        idle = [name for name in base.RANGES | module.RANGES if not fnmatch.filter(names, name)]
        assert idle in ([], ["parts.*.variant"])


@pytest.mark.parametrize("field, value, message", [
    ("log_every", 0, "config.log_every=0: must be at least 1"),
    ("batch_size", 0, "config.batch_size=0"),
    ("seed", -1, r"config.seed=-1: must be in \[0, 4294967295\]"),
    ("steps", 2**31, "config.steps=2147483648: must be at least 1"),
    ("ema_decay", 2.0, r"config.ema_decay=2.0: must be in \[0, 1\)"),
    ("optimizer.learning_rate", math.nan, "config.optimizer.learning_rate=nan: must be above 0"),
    ("optimizer.weight_decay", math.inf, "config.optimizer.weight_decay=inf: must be at least 0"),
    ("mesh.fsdp", 0, "config.mesh.fsdp=0: must be -1 or at least 1"),
    ("data.workers", -1, "config.data.workers=-1: must be in"),
    ("data.share", 0.0, r"config.data.share=0.0: must be in \(0, 1\]"),
    ("model.tokens_per_part", 0, "config.model.tokens_per_part=0: must be at least 1"),
    ("model.kernel", 0, "config.model.kernel=0: must be at least 1"),
    ("checkpoint.keep", 0, "config.checkpoint.keep=0: must be at least 1"),
    ("checkpoint.every", -1, "config.checkpoint.every=-1: must be at least 0"),
    ("eval_every", -1, "config.eval_every=-1: must be at least 0"),
    ("eval_batches", 0, "config.eval_batches=0: must be at least 1"),
    ("dtype", "bf16", "config.dtype='bf16': choose one of 'float32', 'bfloat16'"),
    ("parts.tokenizer.dtype", "half", "config.parts.tokenizer.dtype='half': choose one of"),
    ("parts.tokenizer.learning_rate", 0.0, "config.parts.tokenizer.learning_rate=0.0: must be above 0"),
    ("parts.tokenizer.trainable", (1,), r"config.parts.tokenizer.trainable=\(1,\): must be texts"),
])
def test_fields_out_of_range_are_named(field, value, message):
    config = tokenizer.get_config("tiny")
    config.update_from_flattened_dict({field: value})
    with pytest.raises(ValueError, match=message):
        resolve.resolve(config)


@pytest.mark.parametrize("stage, field, value, message", [
    ("autoencoder", "model.norm_groups", 3, "config.model.norm_groups=3: must divide config.model.block_out_channels="),
    ("motion", "model.global_tokens", 0, "config.model.global_tokens=0: must be at least 1"),
    ("motion", "overlap_frames", 32, "config.overlap_frames=32: must lie between 0 and config.model.segment_frames=32"),
    ("motion", "sampling.top_p", (0.5, 0.0), r"config.sampling.top_p=\(0.5, 0.0\): must be in \(0, 1\]"),
    ("motion", "sampling.top_k", (), r"config.sampling.top_k=\(\): must be at least 0"),
    ("video", "model.unet.block_out_channels", (0,), "config.model.unet.block_out_channels="),
    ("video", "sampler.num_steps", 1000, "config.sampler.num_steps=1000: must be below config.schedule.num_steps"),
    ("video", "sampler.overlap", 16, "config.sampler.overlap=16: must be below config.sampler.window=16"),
])
def test_fields_of_other_stages_out_of_range_are_named(stage, field, value, message):
    variant = "tiny_motion" if stage == "video" else "tiny"
    config = random(importlib.import_module(f"configs.{stage}").get_config(variant))
    *blocks, last = field.split(".")
    functools.reduce(lambda block, name: block[name], blocks, config)[last] = value
    with pytest.raises(ValueError, match=message):
        resolve.resolve(config)


def test_context_frames_must_fit_the_segment_before():
    config = random(motion.get_config("tiny"))
    config.data.previous = 2
    with pytest.raises(ValueError, match="config.data.previous=2: holds no 4 context frames"):
        resolve.resolve(config)


@pytest.mark.parametrize("name", ["static_context_rate", "replay_static_context_rate"])
def test_shares_of_examples_lie_between_0_and_1(name):
    config = random(motion.get_config("tiny"))
    config.data[name] = 1.5
    with pytest.raises(ValueError, match=rf"config.data.{name}=1.5: must be in \[0, 1\]"):
        resolve.resolve(config)


@pytest.mark.parametrize("field", ["phase", "pose_control"])
def test_unknown_choices_of_the_video_stage_are_named(field):
    with pytest.raises(ValueError, match=f"config.{field}='none at all': choose one of"):
        parts_of("tiny_motion", **{field: "none at all"})
