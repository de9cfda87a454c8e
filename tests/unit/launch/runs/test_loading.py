import json

import jax
import jax.numpy as jnp
import pytest

from configs import autoencoder, motion, tokenizer, video
from data_pipeline.skeleton import PARTS
from launch import stages
from launch.figures.data import Data
from launch.runs import loading, resolve, training
from tests import untrained_run
from xdancer_jax.train import trees


@pytest.fixture
def edited(trained, tmp_path):
    """A function that gives the trained run with another config.json."""

    def edit(change):
        content = json.loads((trained / "config.json").read_text())
        change(content["config"])
        (tmp_path / "config.json").write_text(json.dumps(content))
        if not (tmp_path / "checkpoints").exists():
            (tmp_path / "checkpoints").symlink_to(trained / "checkpoints")
        return tmp_path

    return edit


def test_use_of_every_parts_codebook_is_logged(trained):
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    found = {name: value for line in lines for name, value in line.items()}
    for prefix in ("", "eval/"):
        for part in PARTS:
            assert 0 < found[f"{prefix}usage/{part}"] <= 1
            assert 1 <= found[f"{prefix}perplexity/{part}"] <= 16


def test_a_run_is_read_back_and_goes_on(trained, small):
    run = loading.load(trained)
    assert (run.step, run.stage.name, run.config.skeleton.joints) == (2, "tokenizer", 60)
    assert dict(run.config.skeleton.parts) == PARTS
    assert isinstance(run.variables("tokenizer")["codebook"]["quantizer"]["embedding"], jax.Array)
    assert training.train(small(), trained).start_step == 2


def test_a_tokenizers_figures_tell_what_a_second_pass_changes(trained, data):
    errors, use, second = stages.find("tokenizer").figures(loading.load(trained), Data(data))
    assert (errors.protocol, use.protocol) == ("pose_l1_half_height", "codebook_use")
    assert second.counts == {"poses": 32, "tokens": 160}
    for part in PARTS:
        assert second.values[f"{part}/error"] == pytest.approx(errors.values[part])
        assert 0 <= second.values[f"{part}/kept"] <= 1 and second.values[f"{part}/drift"] >= 0
    assert second.values["full_body/drift"] > 0 and second.values["hands/drift_ratio"] > 0


def test_weights_are_held_in_the_dtype_asked_for_but_collections_and_tokenizers(trained, tmp_path):
    run = loading.load(trained, dtype="bfloat16")
    assert {leaf.dtype for leaf in jax.tree.leaves(run.params)} == {jnp.dtype("bfloat16")}
    assert {leaf.dtype for leaf in jax.tree.leaves(run.extra)} == {jnp.dtype("float32")}
    assert run.modules["tokenizer"].dtype == "bfloat16"
    config = motion.get_config("tiny")
    config.parts.tokenizer.source = untrained_run.write(tmp_path / "tokenizer", tokenizer.get_config("tiny"), seed=0)
    motions = loading.load(untrained_run.write(tmp_path / "motion", config, seed=0), dtype="bfloat16")
    assert {leaf.dtype.name for leaf in jax.tree.leaves(motions.params["tokenizer"])} == {"float32"}
    assert {leaf.dtype.name for leaf in jax.tree.leaves(motions.params["gpt"])} == {"bfloat16"}
    assert (motions.modules["tokenizer"].dtype, motions.modules["gpt"].dtype) == ("float32", "bfloat16")


def test_a_pair_must_stand_on_one_tokenizer(tmp_path):
    for name, seed in (("tokenizer", 0), ("other", 1)):
        untrained_run.write(tmp_path / name, tokenizer.get_config("tiny"), seed=seed)
    untrained_run.write(tmp_path / "autoencoder", autoencoder.get_config("tiny"))
    for name, config in (("video", video.get_config("tiny_appearance")), ("motion", motion.get_config("tiny"))):
        if name == "video":
            config.parts.autoencoder.source = f"run:{tmp_path / 'autoencoder'}"
        config.parts.tokenizer.source = f"run:{tmp_path / 'tokenizer'}"
        untrained_run.write(tmp_path / name, config)
    motions, videos = loading.load_pair(tmp_path)
    assert (motions.stage.name, videos.stage.name) == ("motion", "video")
    config = motion.get_config("tiny")
    config.parts.tokenizer.source = f"run:{tmp_path / 'other'}"
    untrained_run.write(tmp_path / "elsewhere" / "motion", config)
    (tmp_path / "elsewhere" / "video").symlink_to(tmp_path / "video")
    with pytest.raises(ValueError, match="video was trained over another tokenizer than .*motion"):
        loading.load_pair(tmp_path / "elsewhere")


def test_another_skeleton_is_refused_with_both(edited):
    def swap(config):
        parts = config["skeleton"]["parts"]
        parts[0][1], parts[1][1] = parts[1][1], parts[0][1]

    workdir = edited(swap)
    message = rf"^{workdir}: was trained on another skeleton, 60 joints in upper_body.*'upper_body': \(8, 9, .*; "
    message += r"this version has 60 joints in upper_body.*'upper_body': \(1, 2, .*; train it anew"
    with pytest.raises(ValueError, match=message):
        loading.load(workdir)
    config = motion.get_config("tiny")
    config.parts.tokenizer.source = f"run:{workdir}"
    with pytest.raises(ValueError, match="was trained on another skeleton"):
        resolve.resolve(config.lock())
    with pytest.raises(ValueError, match="another skeleton, 59 joints in"):
        loading.load(edited(lambda config: config["skeleton"].update(joints=59)))
    with pytest.raises(ValueError, match="another skeleton, 60 joints in lower_body, upper_body"):  # same joints
        loading.load(edited(lambda config: config["skeleton"]["parts"].insert(0, config["skeleton"]["parts"].pop(1))))


def test_a_run_of_another_skeleton_does_not_go_on(edited, small):
    workdir = edited(lambda config: config["skeleton"].update(joints=59))
    with pytest.raises(ValueError, match="another skeleton, 59 joints in"):
        training.train(small(), workdir)


def test_a_run_that_does_not_say_its_skeleton_is_refused(edited):
    with pytest.raises(ValueError, match=r"config.json has no field skeleton, so an older version trained it; train"):
        loading.load(edited(lambda config: config.pop("skeleton")))


def test_every_leaf_that_is_not_the_configs_is_listed(edited):
    def change(config):
        config["model"].update(codebook_size=32, depth=2, encoder_width=9)

    with pytest.raises(ValueError, match="checkpoints/2: does not fit this run's config; give the one") as error:
        loading.load(edited(change))
    text = str(error.value)
    codes = "extra/tokenizer/codebook/quantizer/embedding"
    assert f"mis-shaped {codes}: (5, 16, 6) float32 in the checkpoint, (5, 32, 6)" in text
    assert all(f"mis-shaped params/tokenizer/encoder_{i}/conv_in/kernel" in text for i in range(5))
    assert "missing params/tokenizer/decoder/block_1_conv_0/kernel" in text and "extra params" not in text
    with pytest.raises(ValueError, match="extra params/tokenizer/decoder/block_0_conv_0/kernel"):
        loading.load(edited(lambda config: config["model"].update(depth=0)))


def test_fields_that_no_model_has_are_named(edited):
    with pytest.raises(ValueError, match=r"config.json: not a config of this version \(.*'widht'.*\); restore it"):
        loading.load(edited(lambda config: config["model"].update(widht=3)))


def test_later_stages_are_held_against_their_configs_and_earlier_stages(tmp_path):
    below = {
        name: "run:" + untrained_run.write(tmp_path / name, config.get_config("tiny"))
        for name, config in (("tokenizer", tokenizer), ("autoencoder", autoencoder))
    }
    for config, field in ((motion.get_config("tiny"), "width"), (video.get_config("tiny_appearance"), None)):
        for name in below.keys() & config.parts.keys():
            config.parts[name].source = below[name]
        workdir = untrained_run.write(tmp_path / config.name, config)
        params = trees.by_path(loading.load(workdir).params)
        path = tmp_path / config.name / "config.json"
        content = json.loads(path.read_text())
        content["config"]["earlier"]["tokenizer"]["model"]["depth"] += 1
        path.write_text(json.dumps(content))
        with pytest.raises(ValueError, match="missing params/tokenizer/decoder/block_1_conv_0/bias"):
            loading.load(workdir)
        if field:
            content["config"]["model"][field] *= 2
            path.write_text(json.dumps(content))
            with pytest.raises(ValueError) as error:
                loading.load(workdir)
            assert "mis-shaped params/gpt/" in str(error.value)
            assert str(error.value).count("\n") > sum(path.startswith("gpt/") for path in params) / 2
