import math
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests import public_weights
from xdancer_jax.pretrained import table
from xdancer_jax.pretrained.gpt2 import GPT2

LAYERS, WIDTH = 2, 8
# layers, width and parameters of the four public models, 1024 positions and 50257 words
PUBLIC = {"gpt2": (12, 768, 124_439_808), "gpt2-medium": (24, 1024, 354_823_168),
          "gpt2-large": (36, 1280, 774_030_080), "gpt2-xl": (48, 1600, 1_557_611_200)}


def _ours(layers=LAYERS, width=WIDTH, positions=12):
    """Arrays of MusicGPT that GPT-2 has, and one that it lacks."""
    lines = (Path(__file__).parents[2] / "golden" / "motion_medium.txt").read_text().splitlines()[:-1]
    found = {path.removeprefix("gpt/"): tuple(map(int, shape)) for path, *shape in map(str.split, lines)
             if path.startswith(("gpt/h/", "gpt/ln_f/", "gpt/heads", "gpt/wpe"))}
    sizes = {24: layers, 1024: width, 2048: 2 * width, 3072: 3 * width, 4096: 4 * width, 2224: positions}
    return {path: tuple(sizes.get(n, n) for n in shape) for path, shape in found.items()}


def _theirs(layers=LAYERS, width=WIDTH, positions=1024):
    """The layout of transformers' GPT2Model, without its words."""
    found = {"wpe.weight": (positions, width), "ln_f.weight": (width,), "ln_f.bias": (width,)}
    for layer in range(layers):
        for name in ("ln_1", "ln_2"):
            found |= {f"h.{layer}.{name}.{leaf}": (width,) for leaf in ("weight", "bias")}
        for name, rows, columns in (("attn.c_attn", 1, 3), ("attn.c_proj", 1, 1), ("mlp.c_fc", 1, 4),
                                    ("mlp.c_proj", 4, 1)):
            found[f"h.{layer}.{name}.weight"] = (rows * width, columns * width)
            found[f"h.{layer}.{name}.bias"] = (columns * width,)
    return found


@pytest.mark.parametrize("size", PUBLIC)
def test_every_public_size_is_used_whole(size):
    layers, width, count = PUBLIC[size]
    shapes = _theirs(layers, width)
    assert sum(map(math.prod, shapes.values())) + 50257 * width == count
    source = public_weights.source(GPT2, shapes | {"wte.weight": (50257, width), "h.0.attn.bias": (1, 1, 1024, 1024)})
    entries = source.entries(_ours(layers, width, 2224))
    assert sorted(name for entry in entries for name in entry.names) == sorted(shapes)
    assert source.fields == {"num_layers": layers, "width": width}


def test_every_array_comes_to_its_place_unchanged(tmp_path):
    arrays = public_weights.tensors(_theirs(positions=12))
    words = {"transformer.wte.weight": np.ones((5, 8), np.float32), "lm_head.weight": np.ones((5, 8), np.float32)}
    save_file({f"transformer.{name}": x for name, x in arrays.items()} | words, tmp_path / "model.safetensors")
    source, ours = table.opened(GPT2, tmp_path), _ours()
    found = source.read(public_weights.wanted("gpt", ours))
    assert found.keys() == {f"params/gpt/{path}" for path in ours} - {"params/gpt/heads"}
    np.testing.assert_array_equal(found["params/gpt/h/mlp/c_fc/kernel"][1], arrays["h.1.mlp.c_fc.weight"])
    np.testing.assert_array_equal(found["params/gpt/ln_f/scale"], arrays["ln_f.weight"])
    kept = {path: shape for path, shape in ours.items() if table.kept(GPT2, path)}
    table.write(GPT2, tmp_path / "b", kept, ((path, np.asarray(found[f"params/gpt/{path}"])) for path in kept))
    back = load_file(tmp_path / "b")
    assert back.keys() == arrays.keys()
    for name, array in back.items():
        np.testing.assert_array_equal(array, arrays[name])


def test_positions_are_interpolated_from_the_first_to_the_last():
    arrays = public_weights.tensors(_theirs(positions=4))
    rows = arrays["wpe.weight"]
    read = public_weights.source(GPT2, arrays).read(public_weights.wanted("gpt", _ours()))
    found = read["params/gpt/wpe"]
    assert found.shape == (12, 8)
    np.testing.assert_array_equal(found[np.array([0, -1])], rows[[0, -1]])
    for channel in range(8):
        wanted = np.interp(np.linspace(0, 3, 12), range(4), rows[:, channel])
        np.testing.assert_allclose(found[:, channel], wanted, rtol=1e-5, atol=1e-6)


def test_every_array_that_does_not_fit_is_listed():
    changed = {**_theirs(), "h.2.ln_1.weight": (8,), "h.1.mlp.c_fc.weight": (32, 8), "wpe.weight": (12, 9)}
    del changed["ln_f.bias"]
    with pytest.raises(ValueError, match="file: not GPT-2:") as error:
        public_weights.source(GPT2, changed).entries(_ours())
    assert str(error.value).splitlines()[1:] == [
        "  extra h.2.ln_1.weight", "  mis-shaped h.1.mlp.c_fc.weight: (32, 8), (8, 32) expected",
        "  mis-shaped wpe.weight: (12, 9), (12, 8) expected", "  missing ln_f.bias",
    ]
