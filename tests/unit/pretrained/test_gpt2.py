import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from configs import motion
from xdancer_jax.models.music_gpt import MusicGPT
from xdancer_jax.pretrained import gpt2

SIZE = {"num_layers": 2, "width": 8, "num_positions": 12}


def _public(positions=12, **changes):
    """A random GPT-2 in the public layout, with what old files carry besides."""
    rng = np.random.default_rng(0)
    shapes = gpt2.shapes(**SIZE) | {"wpe.weight": (positions, 8)}
    tensors = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    tensors |= {"wte.weight": np.ones((5, 8), np.float32), "h.0.attn.bias": np.ones((1, 1, 12, 12), np.float32)}
    return {name: value for name, value in (tensors | changes).items() if value is not None}


# layers, width and parameters of the four public models, 1024 positions and 50257 words
PUBLIC = {"gpt2": (12, 768, 124_439_808), "gpt2-medium": (24, 1024, 354_823_168),
          "gpt2-large": (36, 1280, 774_030_080), "gpt2-xl": (48, 1600, 1_557_611_200)}


def test_the_shapes_are_those_of_the_model():
    config = motion.get_config("medium")
    lines = (Path(__file__).parents[2] / "golden" / "motion_medium.txt").read_text().splitlines()
    found = {path: tuple(map(int, shape)) for path, *shape in (line.split() for line in lines[:-1])}
    golden = {path.removeprefix("gpt/"): shape for path, shape in found.items() if path.startswith("gpt/")}
    expected = gpt2.shapes(24, 1024, MusicGPT(**config.model).num_positions)
    assert len(expected) == 24 * 12 + 3
    for name, (path, layer) in gpt2.names(24).items():
        assert golden[path] == (expected[name] if layer is None else (24, *expected[name]))


@pytest.mark.parametrize("size", PUBLIC)
def test_every_public_size_has_its_number_of_parameters(size):
    layers, width, count = PUBLIC[size]
    shapes = gpt2.shapes(layers, width, 1024).values()
    assert sum(map(math.prod, shapes)) + 50257 * width == count


def _wanted(dtype="float32"):
    """Places of all that GPT-2 has and of one array that it lacks, on the one device."""
    place = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    shapes = {path: array.shape for path, array in gpt2.from_public(_public(), **SIZE).items()} | {"heads": (2, 8, 5)}
    return {path: jax.ShapeDtypeStruct(shape, dtype, sharding=place) for path, shape in shapes.items()}


def test_every_array_comes_to_its_place_unchanged(tmp_path):
    save_file({f"transformer.{name}": value for name, value in _public().items()}, tmp_path / "a.safetensors")
    wanted = _wanted()
    ours = gpt2.reader(tmp_path / "a.safetensors", **SIZE)(wanted)
    assert ours.keys() == wanted.keys() - {"heads"}
    assert all(isinstance(x, jax.Array) and x.sharding == wanted[path].sharding for path, x in ours.items())
    names = gpt2.names(SIZE["num_layers"])
    assert names.keys() == _public().keys() - {"wte.weight", "h.0.attn.bias"}
    for name, (path, layer) in names.items():
        np.testing.assert_array_equal(ours[path] if layer is None else ours[path][layer], _public()[name])


def test_what_is_wanted_is_read_in_the_dtype_wanted(tmp_path):
    save_file(_public(), tmp_path / "a.safetensors")
    read, wanted = gpt2.reader(tmp_path / "a.safetensors", **SIZE), _wanted("bfloat16")
    found = read({name: wanted[name] for name in ("wpe", "h/ln_1/scale")})
    assert found.keys() == {"wpe", "h/ln_1/scale"} and found["wpe"].dtype == jnp.bfloat16
    np.testing.assert_array_equal(found["wpe"], _public()["wpe.weight"].astype(jnp.bfloat16))
    other = jax.ShapeDtypeStruct((12, 9), "float32", sharding=wanted["wpe"].sharding)
    with pytest.raises(ValueError, match=r"array is \(12, 8\) where the model has \(12, 9\)"):
        read({"wpe": other})


def test_positions_are_interpolated_from_the_first_to_the_last():
    table = _public(4)["wpe.weight"]
    found = gpt2.from_public(_public(4), **SIZE)["wpe"]
    assert found.shape == (12, 8)
    np.testing.assert_array_equal(found[[0, -1]], table[[0, -1]])
    for channel in range(8):
        wanted = np.interp(np.linspace(0, 3, 12), range(4), table[:, channel])
        np.testing.assert_allclose(found[:, channel], wanted, rtol=1e-5, atol=1e-6)


def test_every_array_that_does_not_fit_is_listed(tmp_path):
    tensors = _public(**{
        "ln_f.bias": None, "h.2.ln_1.weight": np.ones(8, np.float32),
        "h.1.mlp.c_fc.weight": np.ones((32, 8), np.float32), "wpe.weight": np.ones((12, 9), np.float32),
    })
    save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="a.safetensors: no GPT-2 of 2 layers and width 8") as error:
        gpt2.reader(tmp_path / "a.safetensors", **SIZE)
    assert str(error.value).splitlines()[1:] == [
        "  extra h.2.ln_1.weight", "  mis-shaped h.1.mlp.c_fc.weight: (32, 8), (8, 32) expected",
        "  mis-shaped wpe.weight: (12, 9), (12, 8) expected", "  missing ln_f.bias",
    ]


def test_a_file_that_is_cut_or_missing_is_named(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file(_public(), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="a.safetensors: not a whole safetensors file"):
        gpt2.reader(path, **SIZE)
    with pytest.raises(FileNotFoundError, match="b.safetensors: no such file"):
        gpt2.reader(tmp_path / "b.safetensors", **SIZE)
