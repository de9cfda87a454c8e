import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests import public_weights
from xdancer_jax.pretrained import table
from xdancer_jax.pretrained.table import Entry, Kind, torch_entry

OURS = {"conv/kernel": (3, 3, 2, 4), "conv/bias": (4,), "time_embedding/linear_1/kernel": (2, 5),
        "blocks_1/to_out_0/kernel": (4, 4), "norm/scale": (4,), "table/embedding": (6, 2)}
THEIRS = {"conv.weight": (4, 2, 3, 3), "conv.bias": (4,), "time_embedding.linear_1.weight": (5, 2),
          "blocks.1.to_out.0.weight": (4, 4), "norm.weight": (4,), "table.weight": (6, 2)}


def _fields(shapes, described):
    return {"channels": shapes["conv.weight"][0]}


KIND = Kind("toy", "a toy", ("toys",), ("toy",), torch_entry, _fields, left_out=r"ids|pe\.\d+")


@pytest.fixture
def arrays():
    return public_weights.tensors(THEIRS)


@pytest.fixture
def file(tmp_path, arrays):
    save_file(arrays | {"ids": np.arange(3), "pe.0": np.ones(2)}, tmp_path / "toy.safetensors")
    return tmp_path


def test_names_and_layouts_are_torchs(file, arrays):
    source = table.opened(KIND, file)
    assert (source.path, source.fields) == (file / "toy.safetensors", {"channels": 4})
    found = source.read(public_weights.wanted("net", OURS))
    np.testing.assert_array_equal(found["params/net/conv/kernel"], arrays["conv.weight"].transpose(2, 3, 1, 0))
    np.testing.assert_array_equal(
        found["params/net/time_embedding/linear_1/kernel"], arrays["time_embedding.linear_1.weight"].T
    )
    np.testing.assert_array_equal(found["params/net/table/embedding"], arrays["table.weight"])
    assert {path.removeprefix("params/net/"): x.shape for path, x in found.items()} == OURS


def test_arrays_take_the_dtype_and_the_place_that_is_wanted(file):
    wanted = public_weights.wanted("net", OURS, "bfloat16")
    for path, array in table.opened(KIND, file).read(wanted).items():
        assert array.dtype == jnp.bfloat16 and array.sharding == wanted[path].sharding


def test_writing_is_the_inverse_of_reading_bit_for_bit(file, arrays, tmp_path):
    found = table.opened(KIND, file).read(public_weights.wanted("net", OURS))
    own = ((path, np.asarray(found[f"params/net/{path}"])) for path in OURS)
    names = table.write(KIND, tmp_path / "back.safetensors", OURS, own)
    back = load_file(tmp_path / "back.safetensors")
    assert set(names) == back.keys() == arrays.keys()
    for name, array in back.items():
        np.testing.assert_array_equal(array, arrays[name])


def test_all_that_does_not_fit_is_listed(arrays):
    changed = {
        **arrays, "conv.bias": None, "other": np.ones(1, np.float32), "norm.weight": np.ones(5, np.float32),
        "table.weight": np.ones((6, 2), np.int8), "conv.weight": np.ones((4, 2, 1, 1), np.float32), "pe.1": np.ones(1),
    }
    source = public_weights.source(KIND, {name: x for name, x in changed.items() if x is not None})
    with pytest.raises(ValueError, match="file: not a toy:") as error:
        source.read(public_weights.wanted("net", OURS))
    assert str(error.value).splitlines()[1:] == [
        "  extra other", "  mis-shaped conv.weight: (4, 2, 1, 1), (4, 2, 3, 3) expected",
        "  mis-shaped norm.weight: (5,), (4,) expected", "  missing conv.bias",
        "  table.weight holds int8, floating-point numbers expected",
    ]


def test_a_linear_layer_may_be_stored_as_a_convolution_of_one_pixel(arrays):
    wide = arrays["blocks.1.to_out.0.weight"][:, :, None, None]
    source = public_weights.source(KIND, arrays | {"blocks.1.to_out.0.weight": wide})
    found = source.read(public_weights.wanted("net", OURS))
    np.testing.assert_array_equal(found["params/net/blocks_1/to_out_0/kernel"], wide[:, :, 0, 0].T)


def test_layers_may_be_stacked_and_rows_interpolated(tmp_path):
    def entry(path, shape):
        if path == "rows":
            return Entry(path, ("rows",), (0, 1), resized=True)
        return Entry(path, tuple(f"h.{i}.w" for i in range(shape[0])), (1, 0))

    kind = Kind("stack", "a stack", (), (), entry, lambda shapes, described: {}, optional="alone")
    arrays = public_weights.tensors({"h.0.w": (2, 3), "h.1.w": (2, 3), "rows": (3, 2)})
    ours = {"h": (2, 3, 2), "rows": (5, 2), "alone": (7,)}
    source = public_weights.source(kind, arrays)
    found = source.read(public_weights.wanted("net", {name: ours[name] for name in ("h", "rows")}))
    np.testing.assert_array_equal(found["params/net/h"], np.stack([arrays["h.0.w"].T, arrays["h.1.w"].T]))
    np.testing.assert_allclose(found["params/net/rows"][::2], arrays["rows"], rtol=1e-6)
    np.testing.assert_allclose(found["params/net/rows"][1], arrays["rows"][:2].mean(0), rtol=1e-5)
    assert "params/net/alone" not in source.read(public_weights.wanted("net", ours))
    assert not table.kept(kind, "alone")
    one = public_weights.source(kind, {"h.0.w": arrays["h.0.w"]})  # a stack of one is no single array
    assert one.read(public_weights.wanted("net", {"h": (1, 3, 2)}))["params/net/h"].shape == (1, 3, 2)
    table.write(kind, tmp_path / "a.safetensors", {"h": (2, 3, 2)}, [("h", np.asarray(found["params/net/h"]))])
    np.testing.assert_array_equal(load_file(tmp_path / "a.safetensors")["h.1.w"], arrays["h.1.w"])


def test_values_of_mutable_collections_come_with_the_weights(arrays):
    kind = Kind("toy", "a toy", (), (), torch_entry, _fields, extra=lambda described: {"latents/std": described["s"]})
    place = public_weights.wanted("net", {"latents/std": (4,)})["params/net/latents/std"]
    source = public_weights.source(kind, arrays, {"s": 2.5})
    found = source.read(public_weights.wanted("net", OURS) | {"extra/net/latents/std": place})
    np.testing.assert_array_equal(found["extra/net/latents/std"], np.full(4, 2.5, np.float32))


def test_two_spellings_in_one_file_are_refused(tmp_path, arrays):
    kind = Kind("toy", "a toy", (), (), torch_entry, _fields,
                renamed=lambda names: {name: name.removeprefix("module.") for name in names})
    save_file(arrays | {"module.conv.bias": arrays["conv.bias"]}, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="holds arrays twice, in two spellings: module.conv.bias"):
        table.opened(kind, tmp_path / "a.safetensors")


def test_a_file_of_something_else_is_one_line(tmp_path):
    save_file({"x": np.ones(3, np.float32), "y": np.ones(2, np.float32)}, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match=r"a.safetensors: not a toy: it lacks 'conv.weight'; it holds x, y") as error:
        table.opened(KIND, tmp_path / "a.safetensors")
    assert "\n" not in str(error.value)
