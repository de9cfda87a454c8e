import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from xdancer_jax.pretrained import tensors


def _empty(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


@pytest.mark.parametrize("there, found", [
    (["unet/model.bin", "unet/model.safetensors", "model.safetensors"], "unet/model.safetensors"),
    (["unet/model.bin", "model.safetensors"], "unet/model.bin"),
    (["unet/model.safetensors.index.json", "unet/model.bin"], "unet/model.safetensors.index.json"),
    (["model.ckpt", "other.bin"], "model.ckpt"),
    (["v1-5.safetensors", "config.json"], "v1-5.safetensors"),  # alone, whatever its name
    (["unet/other.safetensors", "vae/model.safetensors", "a.ckpt"], "a.ckpt"),
])  # fmt: skip
def test_where_weights_lie_in_a_folder(tmp_path, there, found):
    _empty(tmp_path, *there)
    assert tensors.located(tmp_path, ["unet"], ["model"]) == tmp_path / found
    assert tensors.located(tmp_path / there[0], ["unet"], ["model"]) == tmp_path / there[0]


def test_a_folder_without_weights_says_what_was_looked_for(tmp_path):
    _empty(tmp_path, "a.safetensors", "b.safetensors")
    message = r"no model or m2 .*in unet/ or the folder itself; name the file itself"
    with pytest.raises(FileNotFoundError, match=message):
        tensors.located(tmp_path, ["unet"], ["model", "m2"])
    with pytest.raises(FileNotFoundError, match="none: no such file or folder"):
        tensors.located(tmp_path / "none", [], [])
    with pytest.raises(FileNotFoundError, match="none: no such file"):
        tensors.opened(tmp_path / "none")


def _index(folder, places):
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"weight_map": places}))
    return path


def test_several_files_of_one_model(tmp_path):
    save_file({"a": np.arange(3.0)}, tmp_path / "1.safetensors")
    save_file({"b": np.ones((2, 2), np.float32)}, tmp_path / "2.safetensors")
    found = tensors.opened(_index(tmp_path, {"a": "1.safetensors", "b": "2.safetensors"}))
    assert {name: each.shape for name, each in found.items()} == {"a": (3,), "b": (2, 2)}
    np.testing.assert_array_equal(found["a"].get(), np.arange(3.0))
    with pytest.raises(ValueError, match="its files lack\n  c"):
        tensors.opened(_index(tmp_path, {"a": "1.safetensors", "c": "2.safetensors"}))
    with pytest.raises(FileNotFoundError, match="3.safetensors: no such file"):
        tensors.opened(_index(tmp_path, {"a": "3.safetensors"}))
    for places in ({"a": "../1.safetensors"}, {"a": 3}, ["a"]):
        with pytest.raises(ValueError, match="no index of weight files"):
            tensors.opened(_index(tmp_path, places))


def test_what_lies_beside_the_weights(tmp_path):
    assert tensors.described(tmp_path / "a.safetensors") == {}
    (tmp_path / "config.json").write_text('{"scaling_factor": 0.5}')
    assert tensors.described(tmp_path / "a.safetensors") == {"scaling_factor": 0.5}
    for text in ("[1]", "{"):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(ValueError, match="config.json: "):
            tensors.described(tmp_path / "a.safetensors")
