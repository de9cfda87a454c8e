import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from configs import autoencoder, motion, tokenizer, video
from data_pipeline.skeleton import PARTS
from launch.runs import build, resolve
from xdancer_jax.train import checkpoint


def locked(config):
    return config.lock()


@pytest.mark.parametrize("variant", tokenizer.VARIANTS)
def test_every_tokenizer_variant_becomes_a_stage(variant):
    config, weights = resolve.resolve(locked(tokenizer.get_config(variant)))
    assert build.stage(config, weights).name == "tokenizer"
    tokens = len(build.pose_tokenizer(config).parts) * config.model.tokens_per_part
    assert tokens == (5 if "tiny" in variant else 30)  # single part: as many tokens a frame


@pytest.mark.parametrize("weighted", [False, True])
def test_confidence_weighs_the_tokenizers_errors_where_the_config_says_so(weighted):
    config = tokenizer.get_config("tiny")
    config.loss.confidence_weighted = weighted
    config.model.update(encoder_width=4, decoder_width=4, codebook_size=8)
    config, weights = resolve.resolve(locked(config))
    stage, rng = build.stage(config, weights), np.random.default_rng(0)
    found = jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape), x.dtype), resolve.abstract(config))
    params, extra = found["params"], found["extra"]
    poses = rng.uniform(-1, 1, (2, 3, 60, 3)).astype(np.float32)
    poses[..., 2] = np.where(np.arange(60) % 2, 0.2, 0.9)
    batch = {"poses": jnp.asarray(poses)}
    error = np.asarray(jax.jit(stage.functions["reconstruct"])(params, extra, batch, None)["poses"]) - poses
    if weighted:
        error[..., :2] *= poses[..., 2:]
    by_part = [np.sqrt((error[:, :, list(part)] ** 2).sum((-2, -1))) for part in PARTS.values()]
    _, (metrics, _) = jax.jit(stage.loss, static_argnums=4)(params, extra, batch, None, False)
    np.testing.assert_allclose(metrics["pose"], sum(by_part).mean(), rtol=1e-5)


@pytest.mark.parametrize("variant", video.VARIANTS)
def test_every_video_variant_builds_its_networks(variant):
    config = video.get_config(variant)
    kind = "tiny" if "tiny" in variant else "paper"
    config.earlier = {"autoencoder": autoencoder.get_config(kind), "tokenizer": tokenizer.get_config(kind)}
    networks = build.networks(config)
    assert networks.unet.block_out_channels == networks.reference_net.block_out_channels
    assert networks.unet.latent_channels == networks.autoencoder.latent_channels
    # The motion decoder's map must lie on the latents of the config's frames.
    factor = networks.autoencoder.downsampling
    assert networks.pose.latent_size == (config.data.height // factor, config.data.width // factor)


@pytest.mark.parametrize("variant", motion.VARIANTS)
def test_motion_variants_fit_their_tokenizers(variant):
    config = motion.get_config(variant)
    theirs = tokenizer.get_config("tiny" if variant.startswith("tiny") else "paper").model
    assert (config.model.tokens_per_part, config.model.codebook_size) == (theirs.tokens_per_part, theirs.codebook_size)
    assert build.music_gpt(config).num_positions == (196 if variant.startswith("tiny") else 2224)


def test_a_stage_that_stands_on_nothing_says_which_field_to_give():
    with pytest.raises(ValueError, match=r"config\.tokenizer_from is empty.*--config\.tokenizer_from=DIR"):
        resolve.resolve(locked(motion.get_config("tiny")))


def test_a_checkpoint_of_another_stage_is_refused_by_name(tmp_path):
    checkpoint.write_config(tmp_path, "autoencoder", {})
    config = motion.get_config("tiny")
    config.tokenizer_from = str(tmp_path)
    with pytest.raises(ValueError, match="stage is 'autoencoder', expected 'tokenizer'"):
        resolve.resolve(locked(config))


def test_a_config_read_from_json_has_its_tuples_back():
    config = resolve.as_config({"a": [1, [2, 3]], "b": {"c": ["x"]}})
    assert config.a == (1, (2, 3)) and config.b.c == ("x",)


def test_a_missing_data_folder_is_named():
    with pytest.raises(ValueError, match=r"config\.data\.dir is empty"):
        build.batches(tokenizer.get_config("tiny"), "train")


def test_an_unknown_sharding_table_is_named():
    config = tokenizer.get_config("tiny")
    config.sharding = "zero3"
    with pytest.raises(ValueError, match=r"config\.sharding='zero3'"):
        build.rules(config)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("log_every", 0, "config.log_every=0: must be at least 1"),
        ("batch_size", 0, "config.batch_size=0"),
        ("dtype", "bf16", "config.dtype='bf16': choose one of"),
    ],
)
def test_fields_out_of_range_are_named(field, value, message):
    config = tokenizer.get_config("tiny")
    config[field] = value
    with pytest.raises(ValueError, match=message):
        resolve.resolve(config)


def test_weights_are_not_trained_in_bfloat16():
    config = tokenizer.get_config("tiny")
    config.param_dtype = "bfloat16"
    with pytest.raises(ValueError, match="config.param_dtype='bfloat16': training keeps"):
        build.optimizer(config)


def test_context_frames_must_fit_the_segment_before():
    config = motion.get_config("tiny")
    config.data.previous = 2
    with pytest.raises(ValueError, match="config.data.previous=2: holds no 4 context frames"):
        resolve.resolve(config)


@pytest.mark.parametrize("name", ["static_context_rate", "replay_static_context_rate"])
def test_shares_of_examples_lie_between_0_and_1(name):
    config = motion.get_config("tiny")
    config.data[name] = 1.5
    with pytest.raises(ValueError, match=f"config.data.{name}=1.5: is a share of the examples"):
        resolve.resolve(config)


@pytest.mark.parametrize("get_config", [tokenizer.get_config, autoencoder.get_config])
def test_every_stage_takes_the_choice_of_what_it_trains(get_config):
    config = get_config("tiny")
    config.trainable = ("^decoder",)
    assert build.stage(*resolve.resolve(config)).trainable == ("^decoder",)


def test_init_from_must_stand_on_the_same_earlier_stages(monkeypatch):
    def loaded(workdir, stage):
        params, below = {"w": np.full(2, workdir == "other")}, {"params": {"w": np.full(2, False)}, "extra": {}}
        extra = {"frozen": {"tokenizer": below}} if stage == "video" else {}
        config = {"name": stage, "pose_control": "motion_decoder"}
        return resolve.as_config(config), checkpoint.Loaded(config, 1, params, extra)

    monkeypatch.setattr(resolve, "read", loaded)
    config = video.get_config("tiny_motion")
    config.update(autoencoder_from="a", init_from="v", tokenizer_from="same")
    assert set(resolve.resolve(config)[1]) == {"autoencoder_from", "tokenizer_from", "init_from"}
    config.tokenizer_from = "other"
    with pytest.raises(ValueError, match="init_from was trained over another tokenizer than config.tokenizer_from"):
        resolve.resolve(config)


def _motion_run(config):
    model = config.model.to_dict()
    before = ConfigDict({"model": model, "earlier": {"tokenizer": tokenizer.get_config("tiny").to_dict()}})
    frozen = {"tokenizer": {"params": {"w": np.ones(2)}, "extra": {}}}
    return before, checkpoint.Loaded({}, 1, {"wpe": np.full(3, 7.0)}, {"frozen": frozen})


def test_fine_tuning_starts_from_the_weights_and_the_tokenizer_of_the_run(monkeypatch):
    config = motion.get_config("tiny_finetune")
    config.init_from = "out/motion"
    monkeypatch.setattr(resolve, "read", lambda workdir, stage: _motion_run(motion.get_config("tiny")))
    found, weights = resolve.resolve(config)
    assert found.earlier.tokenizer.name == "tokenizer"
    np.testing.assert_array_equal(weights["initial"]["wpe"], 7.0)
    np.testing.assert_array_equal(weights["tokenizer_from"]["params"]["w"], 1.0)
    config.model.width = 128
    with pytest.raises(ValueError, match="init_from=out/motion holds another model: model.width 64 there, 128 here"):
        resolve.resolve(config)


def test_a_motion_run_starts_from_one_thing(monkeypatch):
    config = motion.get_config("tiny")
    config.update(init_from="out/motion", gpt2="model.safetensors")
    monkeypatch.setattr(resolve, "read", lambda workdir, stage: _motion_run(config))
    with pytest.raises(ValueError, match="config.gpt2 and config.init_from are both given"):
        resolve.resolve(config)


def test_share_and_replay_reach_the_loader_in_training_alone(monkeypatch):
    config = motion.get_config("tiny_finetune")
    config.earlier = {"tokenizer": tokenizer.get_config("tiny")}
    config.data.update(dir="choreography", share=0.5, replay_dir="general")
    calls = []
    monkeypatch.setattr(build.loaders, "motion", lambda *args, **options: calls.append(options))
    build.batches(config, "train")
    build.batches(config, "test", train=False)
    assert (calls[0]["share"], calls[0]["replay"], calls[0]["replay_rate"]) == (0.5, "general", 0.5)
    assert calls[0]["replay_static_context_rate"] == 0.8
    assert not {"share", "replay", "replay_rate"} & set(calls[1])
