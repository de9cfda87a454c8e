"""A whole set there and back through the work directory of a run; a part alone as a source of another run's."""

import json

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from configs import autoencoder, motion, video
from launch.converting import exporting, importing
from launch.runs import loading, resolve, sources
from tests import public_sets
from xdancer_jax.train import checkpoint


@pytest.fixture(scope="module")
def moore(tmp_path_factory):
    """(folder of the set, its arrays by part and path, work directory)."""
    root = tmp_path_factory.mktemp("moore")
    made = public_sets.write(root / "set")
    told = importing.convert("moore", str(root / "set"), str(root / "video"))
    count = sum(len(arrays) for arrays in made.values())
    assert told[-1].startswith(f"{root / 'video'}: unet, reference_net") and f"in {count + 2} arrays" in told[-1]
    return root / "set", made, root / "video"


def test_a_set_is_a_run_that_loads(moore):
    _, made, workdir = moore
    run = loading.load(workdir, "video")
    for part, arrays in made.items():
        found = loading.trees.by_path(run.params[part])
        assert found.keys() == arrays.keys()
        for path, array in arrays.items():
            np.testing.assert_array_equal(found[path], array)
    np.testing.assert_array_equal(run.extra["autoencoder"]["latents"]["std"], np.full(4, 2.0))  # 1 / scaling_factor
    config, wanted = run.config, public_sets.config()
    assert config.model.unet.to_dict() == wanted.model.unet.to_dict()
    assert config.model.image_encoder.to_dict() == wanted.model.image_encoder.to_dict()
    assert config.model.pose_guider.to_dict() == wanted.model.pose_guider.to_dict()
    assert config.earlier.autoencoder.model.to_dict() == wanted.earlier.autoencoder.model.to_dict()
    assert (config.objective.prediction, config.schedule.kind, config.schedule.zero_terminal_snr) == (
        "v_prediction", "scaled_linear", True)
    assert config.sampler.window <= config.model.unet.temporal_max_frames
    assert not any(config.parts[part].trainable for part in config.parts)


def test_a_run_is_a_set_bit_for_bit(moore, tmp_path):
    folder, _, workdir = moore
    assert len(exporting.export("moore", str(workdir), str(tmp_path / "back"), "float32")) == 6
    for file in public_sets.FILES.values():
        before, after = (load_file(place / f"{file}.safetensors") for place in (folder, tmp_path / "back"))
        assert before.keys() == after.keys()
        for name, array in before.items():
            np.testing.assert_array_equal(after[name], array)


def test_one_part_is_exported_in_half_the_bytes(moore, tmp_path):
    _, made, workdir = moore
    [told] = exporting.export("moore-pose-guider", str(workdir), str(tmp_path / "a.safetensors"), "float16")
    assert told == f"{tmp_path / 'a.safetensors'}: pose, 16 tensors, AnimateAnyone's pose guider (Moore)"
    found = load_file(tmp_path / "a.safetensors")
    assert found["conv_in.bias"].dtype == np.float16
    np.testing.assert_array_equal(found["conv_in.bias"], made["pose"]["conv_in/bias"].astype(np.float16))
    with pytest.raises(ValueError, match="a run without gpt; it holds autoencoder, image_encoder"):
        exporting.export("gpt2", str(workdir), str(tmp_path / "b.safetensors"), "float32")


@pytest.fixture(scope="module")
def controlnet(moore, tmp_path_factory):
    """A run of a pose guider that has no last convolution."""
    folder = tmp_path_factory.mktemp("controlnet")
    guider = load_file(moore[0] / "pose_guider.safetensors")
    inside = {f"controlnet_cond_embedding.{name}": array for name, array in guider.items()}
    save_file(inside | {"controlnet_mid_block.weight": np.ones(3, np.float32)}, folder / "c.safetensors")
    importing.convert("controlnet-openpose", str(folder / "c.safetensors"), str(folder / "run"))
    return folder / "run"


def test_a_part_alone_is_a_source_of_that_part_and_of_no_other(moore, controlnet):
    config = video.get_config("moore_motion")
    for part in config.parts.values():
        part.source = "random"
    config.parts.pose.source = f"run:{controlnet}"
    config.model.pose_guider.channels = (2, 3, 4, 5)
    part = sources.parts(resolve.resolve(config))["pose"]
    place = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    wanted = {f"params/pose/{path}": jax.ShapeDtypeStruct(array.shape, "float32", sharding=place)
              for path, array in moore[1]["pose"].items() if not path.startswith("conv_out")}
    last = {"params/pose/conv_out/kernel": jax.ShapeDtypeStruct((3, 3, 5, 320), "float32", sharding=place),
            "params/pose/conv_out/bias": jax.ShapeDtypeStruct((320,), "float32", sharding=place)}
    found = part.read(wanted | last)
    assert found.keys() == wanted.keys() and part.digest  # the last convolution stays zero
    np.testing.assert_array_equal(found["params/pose/conv_in/bias"], moore[1]["pose"]["conv_in/bias"])
    config.parts.unet.source = f"run:{controlnet}"
    with pytest.raises(ValueError, match=r"unet.source: .*run was converted from public weights .* holds pose alone"):
        sources.parts(resolve.resolve(config))


def test_what_cannot_be_converted_leaves_nothing(moore, tmp_path):
    folder, _, workdir = moore
    with pytest.raises(ValueError, match=r"--out=.*video: is there already; give another"):
        importing.convert("moore", str(folder), str(workdir))
    broken = tmp_path / "broken.safetensors"
    save_file(load_file(folder / "sd-vae-ft-mse" / "diffusion_pytorch_model.safetensors")
              | {"more": np.ones(2, np.float32)}, broken)
    (tmp_path / "config.json").write_text(json.dumps({"norm_num_groups": 2}))
    with pytest.raises(ValueError, match="not the autoencoder of Stable Diffusion 1.x:\n  extra more"):
        importing.convert("sd-vae", str(broken), str(tmp_path / "out"))
    with pytest.raises(FileNotFoundError, match="none: no such file or folder"):
        importing.convert("sd-vae", str(tmp_path / "none"), str(tmp_path / "out"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.safetensors", "config.json"]


def test_an_autoencoder_alone_is_a_whole_run(moore, tmp_path):
    importing.convert("sd-vae", str(moore[0] / "sd-vae-ft-mse"), str(tmp_path / "run"))
    run = loading.load(tmp_path / "run", "autoencoder")
    assert run.config.model.to_dict() | {"remat": "none"} == public_sets.config().earlier.autoencoder.model.to_dict()
    assert checkpoint.stored(tmp_path / "run").step == 1
    config = autoencoder.get_config("paper")
    config.parts.autoencoder.source = f"sd15:{moore[0]}/sd-vae-ft-mse"
    with pytest.raises(ValueError, match=r"another autoencoder: block_out_channels \(4, 4, 4, 4\) there, \(128, "):
        sources.parts(resolve.resolve(config))


def test_gpt2_is_a_source_of_the_motion_stage(tmp_path):
    """Its size is the file's; what words are to GPT-2, poses and music are here, and stay as they are made."""
    rng, width = np.random.default_rng(0), 64
    shapes = {"wpe.weight": (1024, width), "wte.weight": (50, width), "ln_f.weight": (width,), "ln_f.bias": (width,)}
    for name, out in (("attn.c_attn", 3), ("attn.c_proj", 1), ("mlp.c_fc", 4)):
        shapes |= {f"h.0.{name}.weight": (width, out * width), f"h.0.{name}.bias": (out * width,)}
    shapes |= {"h.0.mlp.c_proj.weight": (4 * width, width), "h.0.mlp.c_proj.bias": (width,)}
    shapes |= {f"h.0.{norm}.{name}": (width,) for norm in ("ln_1", "ln_2") for name in ("weight", "bias")}
    arrays = {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}
    save_file(arrays, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"n_head": 4}))
    importing.convert("gpt2", str(tmp_path), str(tmp_path / "run"))
    kept = sources.read_config(tmp_path / "run", "motion").model
    assert (kept.num_layers, kept.width, kept.num_heads) == (1, width, 4)
    config = motion.get_config("medium")
    config.model.update(num_layers=1, width=width, num_heads=4)
    config.parts.tokenizer.source, config.parts.gpt.source = "random", f"run:{tmp_path / 'run'}"
    config = resolve.resolve(config)
    wanted = {path: leaf for path, leaf in loading.placed(config, loading.all_devices(), "data").items()
              if path.startswith("params/gpt/")}
    found = sources.parts(config)["gpt"].read(wanted)
    np.testing.assert_array_equal(found["params/gpt/h/mlp/c_fc/kernel"][0], arrays["h.0.mlp.c_fc.weight"])
    np.testing.assert_array_equal(np.asarray(found["params/gpt/wpe"])[[0, -1]], arrays["wpe.weight"][[0, -1]])
    made = {path.split("/")[2] for path in wanted.keys() - found.keys()}
    assert {"token_table", "slot_table", "music_projection"} <= made and not made & {"h", "ln_f", "wpe"}
    told = exporting.export("gpt2", str(tmp_path / "run"), str(tmp_path / "back.safetensors"), "float32")
    assert "GPT-2" in told[0]
    back = load_file(tmp_path / "back.safetensors")
    for name in arrays.keys() - {"wte.weight", "wpe.weight"}:
        np.testing.assert_array_equal(back[name], arrays[name])


@pytest.mark.parametrize("part, source, message", [
    ("unet", "sd15:/none", "/none: no such file or folder"),
    ("photo", "sd15:/none", r"config.parts.photo.source=sd15:/none: only part unet or reference_net or autoencoder"),
    ("unet", "sd15:", "give one of"), ("unet", "sd21:/x", 'give one of .*"moore:FILE|DIR"'),
    ("unet", "sd15:gs://bucket/x", "only files of this machine"),
])  # fmt: skip
def test_public_sources_that_do_not_fit_are_one_line(part, source, message):
    config = video.get_config("tiny_appearance")
    config.parts.autoencoder.source = config.parts.tokenizer.source = "random"
    config.parts[part].source = source
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        sources.parts(resolve.resolve(config))
