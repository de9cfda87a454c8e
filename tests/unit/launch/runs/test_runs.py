import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import autoencoder, motion, tokenizer, video
from data_pipeline import pose_builder
from data_pipeline.pose_files import save_poses
from data_pipeline.skeleton import PARTS
from launch.figures import evaluation
from launch.runs import resolve, runs
from xdancer_jax.train import checkpoint, trees
from xdancer_jax.train.state import TrainState


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Prepared poses of two people, 64 frames to train on and 16 held out of each."""
    folder, files = tmp_path_factory.mktemp("poses"), []
    for seed in range(2):
        xy = np.random.default_rng(seed).uniform((120, 40), (200, 200), size=(80, 60, 2))
        files.append(str(folder / f"{seed}.npz"))
        save_poses(files[-1], np.concatenate([xy, np.ones((80, 60, 1))], -1).astype(np.float32), 30, 240, 320)
    return pose_builder.prepare(str(folder / "data"), files, 0.2)


def config_of(data):
    config = tokenizer.get_config("tiny")
    config.model.update(codebook_size=16, encoder_width=8, decoder_width=8)
    config.update(steps=2, batch_size=4, log_every=1, eval_every=2, eval_batches=1)
    config.data.dir = data
    return config.lock()


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """Work directory of a tokenizer after two steps."""
    workdir = tmp_path_factory.mktemp("tokenizer")
    assert runs.train(config_of(data), workdir).step == 2
    return workdir


def untrained(workdir, config):
    """Writes a run of `config` whose weights are zeros; returns its work directory."""
    config, _ = resolve.resolve(config.lock())
    weights = jax.tree.map(lambda x: jnp.asarray(np.zeros(x.shape, x.dtype)), resolve.abstract(config))
    step = jnp.int32(1)
    with checkpoint.Checkpointer(workdir, 1) as checkpointer:
        checkpoint.write_config(workdir, config.name, config.to_dict())
        checkpointer.save(1, TrainState(step=step, opt_state=(), ema=None, rng=jax.random.key(0), **weights))
    return str(workdir)


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


def test_a_run_is_read_back_and_goes_on(trained, data):
    run = runs.load(trained)
    assert (run.step, run.stage.name, run.config.skeleton.joints) == (2, "tokenizer", 60)
    assert dict(run.config.skeleton.parts) == PARTS
    assert runs.train(config_of(data), trained).start_step == 2


def test_a_tokenizers_figures_tell_what_a_second_pass_changes(trained, data):
    errors, use, second = evaluation.evaluate(runs.load(trained), evaluation.Data(data))
    assert (errors.protocol, use.protocol) == ("pose_l1_half_height", "codebook_use")
    assert second.counts == {"poses": 32, "tokens": 160}
    for part in PARTS:
        assert second.values[f"{part}/error"] == pytest.approx(errors.values[part])
        assert 0 <= second.values[f"{part}/kept"] <= 1 and second.values[f"{part}/drift"] >= 0
    assert second.values["full_body/drift"] > 0 and second.values["hands/drift_ratio"] > 0


def test_another_skeleton_is_refused_with_both(edited):
    def swap(config):
        parts = config["skeleton"]["parts"]
        parts[0][1], parts[1][1] = parts[1][1], parts[0][1]

    workdir = edited(swap)
    message = rf"^{workdir}: was trained on another skeleton, 60 joints in upper_body.*'upper_body': \(8, 9, .*; "
    message += r"this version has 60 joints in upper_body.*'upper_body': \(1, 2, .*; train it anew"
    with pytest.raises(ValueError, match=message):
        runs.load(workdir)
    config = motion.get_config("tiny")
    config.tokenizer_from = str(workdir)
    with pytest.raises(ValueError, match="was trained on another skeleton"):
        resolve.resolve(config.lock())
    with pytest.raises(ValueError, match="another skeleton, 59 joints in"):
        runs.load(edited(lambda config: config["skeleton"].update(joints=59)))
    with pytest.raises(ValueError, match="another skeleton, 60 joints in lower_body, upper_body"):  # same joints
        runs.load(edited(lambda config: config["skeleton"]["parts"].insert(0, config["skeleton"]["parts"].pop(1))))


def test_a_run_of_another_skeleton_does_not_go_on(edited, data):
    workdir = edited(lambda config: config["skeleton"].update(joints=59))
    with pytest.raises(ValueError, match="another skeleton, 59 joints in"):
        runs.train(config_of(data), workdir)


def test_a_run_that_does_not_say_its_skeleton_is_refused(edited):
    with pytest.raises(ValueError, match=r"config.json has no field skeleton, so an older version trained it; train"):
        runs.load(edited(lambda config: config.pop("skeleton")))


def test_every_leaf_that_is_not_the_configs_is_listed(edited):
    def change(config):
        config["model"].update(codebook_size=32, depth=2, encoder_width=9)

    with pytest.raises(ValueError, match="checkpoints/2: does not fit this run's config; give the one") as error:
        runs.load(edited(change))
    text = str(error.value)
    assert "mis-shaped extra/codebook/quantizer/embedding: (5, 16, 6) float32 in the checkpoint, (5, 32, 6)" in text
    assert all(f"mis-shaped params/encoder_{i}/conv_in/kernel" in text for i in range(5))
    assert "missing params/decoder/block_1_conv_0/kernel" in text and "extra params" not in text
    with pytest.raises(ValueError, match="extra params/decoder/block_0_conv_0/kernel"):
        runs.load(edited(lambda config: config["model"].update(depth=0)))


def test_fields_that_no_model_has_are_named(edited):
    with pytest.raises(ValueError, match=r"config.json: not a config of this version \(.*'widht'.*\); restore it"):
        runs.load(edited(lambda config: config["model"].update(widht=3)))


def test_later_stages_are_held_against_their_configs_and_earlier_stages(tmp_path):
    below = {
        "tokenizer_from": untrained(tmp_path / "tokenizer", tokenizer.get_config("tiny")),
        "autoencoder_from": untrained(tmp_path / "autoencoder", autoencoder.get_config("tiny")),
    }
    for config, field in ((motion.get_config("tiny"), "width"), (video.get_config("tiny_appearance"), None)):
        config.update({name: value for name, value in below.items() if name in config})
        workdir = untrained(tmp_path / config.name, config)
        params = trees.by_path(runs.load(workdir).params)
        path = tmp_path / config.name / "config.json"
        content = json.loads(path.read_text())
        content["config"]["earlier"]["tokenizer"]["model"]["depth"] += 1
        path.write_text(json.dumps(content))
        with pytest.raises(ValueError, match="missing extra/frozen/tokenizer/params/decoder/block_1_conv_0/bias"):
            runs.load(workdir)
        if field:
            content["config"]["model"][field] *= 2
            path.write_text(json.dumps(content))
            with pytest.raises(ValueError) as error:
                runs.load(workdir)
            assert "mis-shaped params/" in str(error.value) and str(error.value).count("\n") > len(params) / 2
