"""A run as one folder with one file of weights: read as the run itself, by whatever reads runs."""

import json

import jax
import numpy as np
import pytest

from configs import motion, tokenizer
from launch.checks import run
from launch.converting import packing
from launch.runs import features, loading, resolve, sources, training
from tests import untrained_run
from xdancer_jax.train import checkpoint, packed, trees


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A motion run and, of both dtypes, what is packed of it."""
    root = tmp_path_factory.mktemp("packed")
    config = motion.get_config("tiny")
    untrained_run.write(root / "tokenizer", tokenizer.get_config("tiny"), seed=0)
    config.parts.tokenizer.source = f"run:{root / 'tokenizer'}"
    untrained_run.write(root / "motion", config, seed=1)
    for dtype in ("float32", "bfloat16"):
        packing.pack(str(root / "motion"), str(root / dtype), dtype)
    return root


def test_a_packed_run_is_read_as_the_run(runs):
    before, after = loading.load(runs / "motion", "motion"), loading.load(runs / "float32", "motion")
    assert sorted(file.name for file in (runs / "float32").iterdir()) == [
        "config.json", "music.json", "weights.safetensors"
    ]
    assert (after.step, after.digests) == (before.step, before.digests)
    wanted = before.config.to_dict()
    wanted["parts"]["tokenizer"]["source"] = "run:tokenizer"
    assert after.features == before.features and after.config.to_dict() == wanted
    for tree in ("params", "extra"):
        found, wanted = (trees.by_path(getattr(run, tree)) for run in (after, before))
        assert found.keys() == wanted.keys() and wanted
        for path, array in wanted.items():
            np.testing.assert_array_equal(found[path], array)
            assert found[path].dtype == array.dtype


@pytest.mark.parametrize("given, kept", [
    ("/home/me/data", "data"), ("run:out/tokenizer", "run:tokenizer"), ("gs://bucket/me/tokens", "tokens"),
    ("run:gs://bucket/me/one/", "run:one/"), ("gpt2:/home/me/gpt.safetensors", "gpt2:gpt.safetensors"),
    ("random", "random"), ("part:unet", "part:unet"), ("", ""), ("/", "/"),
])  # fmt: skip
def test_it_names_no_folder_of_the_machine_that_trained(given, kept):
    config = {"data": {"dir": given, "latents": given, "height": 4}, "start": given, "checkpoint": {"best": "eval/l"},
              "parts": {"unet": {"source": given}}, "earlier": {"tokenizer": {"data": {"dir": given}}}}  # fmt: skip
    found = packing._without_places(config)
    assert found["data"] == {"dir": kept, "latents": kept, "height": 4} and found["start"] == kept
    assert found["parts"]["unet"]["source"] == found["earlier"]["tokenizer"]["data"]["dir"] == kept
    assert found["checkpoint"] == {"best": "eval/l"}
    content = {
        "format": 3, "config": config, "starts": [{"step": 0, "flags": {"XLA_FLAGS": f"--xla_dump_to={given}"}}],
        "changes": [{"step": 3, "field": "data.dir", "before": given, "now": given}, {"field": "steps", "before": 3}],
    }  # fmt: skip
    handed = packing._handed_on(content)
    assert handed["starts"] == [{"step": 0}] and handed["config"] == found and "format" not in handed
    assert handed["changes"][0] == {"step": 3, "field": "data.dir", "before": kept, "now": kept}
    assert handed["changes"][1] == {"field": "steps", "before": 3}


def test_in_bfloat16_parameters_are_rounded_and_collections_are_not(runs):
    before, after = loading.load(runs / "motion"), loading.load(runs / "bfloat16")
    weights = (runs / "float32" / packed.NAME).stat().st_size, (runs / "bfloat16" / packed.NAME).stat().st_size
    assert weights[1] < 0.6 * weights[0]
    kernel, rounded = (run.params["gpt"]["wpe"] for run in (before, after))
    np.testing.assert_array_equal(rounded, kernel.astype("bfloat16").astype("float32"))
    assert np.any(rounded != kernel)
    for path, array in trees.by_path(before.extra).items():
        np.testing.assert_array_equal(trees.by_path(after.extra)[path], array)
    assert not set(before.digests.values()) & set(after.digests.values())
    again = packing.pack(str(runs / "tokenizer"), str(runs / "tokenizer16"), "bfloat16")
    assert again[0].startswith(f"{runs / 'tokenizer16'}: stage tokenizer, step 1, tokenizer, ")
    assert checkpoint.stored(runs / "tokenizer16").digests["tokenizer"] == after.digests["tokenizer"]


def test_its_parts_are_sources(runs):
    config = motion.get_config("tiny")
    config.start = str(runs / "float32")
    for name in ("tokenizer", "gpt"):
        config.parts[name].source = "start"
    part = sources.parts(resolve.resolve(config))["gpt"]
    leaf = checkpoint.stored(runs / "motion").leaves["params/gpt/wpe"]
    place = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    wanted = {path: jax.ShapeDtypeStruct(tuple(leaf.shape), leaf.dtype, sharding=place)
              for path, leaf in checkpoint.stored(runs / "motion").leaves.items() if path.startswith("params/gpt")}
    assert part.read(wanted).keys() == wanted.keys() and "params/gpt/wpe" in wanted and leaf.shape
    wanted.popitem()
    with pytest.raises(ValueError, match="weights.safetensors: does not fit .*\n  extra params/gpt"):
        part.read(wanted)


def test_no_training_goes_on_in_it(runs, small):
    with pytest.raises(ValueError, match="holds weights to start from, .* give another --workdir, and these as a sou"):
        training.train(motion.get_config("tiny").lock(), runs / "float32")
    with pytest.raises(ValueError, match="no training that could go on"):
        run.workdir(motion.get_config("tiny").lock(), str(runs / "float32"), first=True)


def test_bad_input_is_one_line_and_leaves_nothing(runs, tmp_path):
    with pytest.raises(ValueError, match=r"--out=.*float32: is there already"):
        packing.pack(str(runs / "motion"), str(runs / "float32"), "float32")
    with pytest.raises(ValueError, match=r"weights.safetensors: holds step 1 alone, not 7"):
        loading.load(runs / "float32", step=7)
    for name in ("config.json", "music.json", packed.NAME):
        (tmp_path / name).write_bytes((runs / "float32" / name).read_bytes())
    (tmp_path / packed.NAME).write_bytes((tmp_path / packed.NAME).read_bytes()[:-4])
    with pytest.raises(ValueError, match="weights.safetensors: not a whole safetensors file"):
        loading.load(tmp_path)
    with pytest.raises(ValueError, match="weights.safetensors: not a whole safetensors file"):
        packing.pack(str(tmp_path), str(tmp_path / "again"), "float32")
    assert not (tmp_path / "again").exists() and not list(tmp_path.glob(".again*"))
    header = json.dumps({"__metadata__": {"step": "1"}}).encode()
    (tmp_path / packed.NAME).write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ValueError, match="weights.safetensors: not the weights of a run .*digests.*; export it anew"):
        loading.load(tmp_path)
    assert features.read(runs / "float32")
