import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import autoencoder, motion, tokenizer, video
from launch import stages
from launch.runs import build, loading, resolve, sources
from tests import small_stages, untrained_run
from xdancer_jax import sharding
from xdancer_jax.train.state import plan_state


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """{"tokenizer", "autoencoder", "motion"}: work directories of tiny runs with random weights."""
    folder = tmp_path_factory.mktemp("runs")
    found = {
        name: untrained_run.write(folder / name, module.get_config("tiny"), seed=1)
        for name, module in (("tokenizer", tokenizer), ("autoencoder", autoencoder))
    }
    config = motion.get_config("tiny")
    config.parts.tokenizer.source = f"run:{found['tokenizer']}"
    return found | {"motion": untrained_run.write(folder / "motion", config, seed=2)}


def resolved(config):
    return resolve.resolve(config.lock())


def test_a_stage_that_stands_on_nothing_says_which_field_to_give():
    with pytest.raises(ValueError, match=r"parts\.tokenizer\.source is empty.*--config\.parts\.tokenizer\.source=run:"):
        resolved(motion.get_config("tiny"))
    with pytest.raises(ValueError, match=r'start is empty, and config.parts.*source is "start".*--config.start='):
        resolved(motion.get_config("tiny_finetune"))


def test_parts_of_another_run_are_described_by_its_config(runs):
    config = motion.get_config("tiny_finetune")
    config.start = runs["motion"]
    config = resolved(config)
    assert (config.earlier.tokenizer.name, config.earlier.tokenizer.model.codebook_size) == ("tokenizer", 256)
    parts, mesh = sources.parts(config), sharding.make_mesh({"data": 1, "fsdp": 1, "tensor": 1}, jax.devices()[:1])
    assert all(part.read is not None for part in parts.values())
    plan = plan_state(
        stages.find("motion").make(config), build.optimizer(config), parts, build.batch_shapes(config), seed=0,
        ema=False, mesh=mesh, rules=build.rules(config),
    )
    state, run = plan.create(), loading.load(runs["motion"])
    jax.tree.map(np.testing.assert_array_equal, state.params["gpt"], run.params["gpt"])
    jax.tree.map(np.testing.assert_array_equal, state.frozen["tokenizer"], run.params["tokenizer"])
    jax.tree.map(np.testing.assert_array_equal, state.extra, run.extra)
    assert parts["tokenizer"].digest == run.digests["tokenizer"]


@pytest.mark.parametrize("source, message", [
    ("run:{autoencoder}", "parts.tokenizer.source: .*autoencoder is a run of stage autoencoder without tokenizer"),
    ("run:nowhere", "nowhere: no such directory"),
    ("gpt2:file", "parts.tokenizer.source=gpt2:file: only part gpt can start from gpt2:"),
    ("tokenizer", "config.parts.tokenizer.source='tokenizer': give one of"),
    ("run:", ": no such directory|config.json: not found|give one of"),
    ("random:3", "config.parts.tokenizer.source='random:3': give one of"),
])
def test_bad_sources_are_named(runs, source, message):
    config = motion.get_config("tiny")
    config.parts.tokenizer.source = source.format(**runs)
    with pytest.raises(ValueError, match=message):
        sources.parts(resolved(config))


def test_another_model_is_refused_field_by_field(runs):
    config = motion.get_config("tiny")
    config.parts.gpt.source = config.parts.tokenizer.source = f"run:{runs['motion']}"
    config.model.update(dropout=0.5, remat="full")  # shape no weight
    sources.parts(resolve.resolve(config))
    config.model.update(width=128, num_heads=2)
    message = "parts.gpt.source: .*motion holds another gpt: width 64 there, 128 here, num_heads 4 there, 2 here"
    with pytest.raises(ValueError, match=message):
        sources.parts(resolve.resolve(config))


def test_another_pose_control_is_no_source(runs, tmp_path):
    config = video.get_config("tiny_appearance")
    for name in ("autoencoder", "tokenizer"):
        config.parts[name].source = f"run:{runs[name]}"
    appearance = untrained_run.write(tmp_path, config)
    config = video.get_config("tiny_motion")
    config.start = appearance
    assert sources.parts(resolve.resolve(config))["unet"].read is not None  # with motion modules of its own
    config.pose_control = "pose_guider"
    with pytest.raises(ValueError, match="has a MotionDecoder as pose, this config a PoseGuider; give another source"):
        sources.parts(resolve.resolve(config))
    config.parts.pose.source = "random"
    assert sources.parts(resolve.resolve(config))["pose"].read is None


def test_a_frozen_denoiser_sees_the_noise_that_it_learnt(tmp_path):
    small = small_stages.config("video_appearance", 1)
    appearance = untrained_run.write(tmp_path / "appearance", small)
    config = small_stages.config("video_motion", 1)
    config.parts.unet.source = f"run:{appearance}"
    assert sources.parts(resolved(config.copy_and_resolve_references()))["unet"].read
    config.schedule.update(kind="linear", zero_terminal_snr=False)
    message = "trained with other noise: kind 'scaled_linear' there, 'linear' here, zero_terminal_snr True there, False"
    with pytest.raises(ValueError, match=message):
        sources.parts(resolved(config.copy_and_resolve_references()))
    config.parts.unet.trainable = (".*",)
    assert sources.parts(resolved(config))["unet"].read


def test_a_config_read_from_json_has_its_tuples_back():
    config = sources.as_config({"a": [1, [2, 3]], "b": {"c": ["x"]}})
    assert config.a == (1, (2, 3)) and config.b.c == ("x",)


def test_sources_place_weights_in_the_dtype_of_the_part(runs):
    config = motion.get_config("tiny")
    config.parts.tokenizer.source = f"run:{runs['tokenizer']}"
    config.parts.tokenizer.dtype = "bfloat16"
    part = sources.parts(resolved(config))["tokenizer"]
    place = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    leaves = loading.placed(config=resolve.resolve(motion_over(runs)), mesh=_mesh(), table="data")
    wanted = {
        path: jax.ShapeDtypeStruct(leaf.shape, part.dtype if path.startswith("params") else leaf.dtype, sharding=place)
        for path, leaf in leaves.items() if path.split("/")[1] == "tokenizer"
    }
    found = part.read(wanted)
    assert {array.dtype for path, array in found.items() if path.startswith("params")} == {jnp.dtype("bfloat16")}


def motion_over(runs):
    config = motion.get_config("tiny")
    config.parts.tokenizer.source = f"run:{runs['tokenizer']}"
    return config


def _mesh():
    return sharding.make_mesh({"data": 1, "fsdp": 1, "tensor": 1}, jax.devices()[:1])
