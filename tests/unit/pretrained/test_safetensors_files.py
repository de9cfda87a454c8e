import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from xdancer_jax.pretrained import safetensors_files

ARRAYS = {"a.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.asarray(7, np.float32),
          "none": np.zeros((0, 4), np.float32)}


def test_what_the_library_writes_is_read(tmp_path):
    save_file(ARRAYS | {"half": np.ones(3, np.float16), "ids": np.arange(2)}, tmp_path / "a.safetensors")
    found = safetensors_files.opened(tmp_path / "a.safetensors")
    for name, array in ARRAYS.items():
        shape, dtype, get = found[name]
        assert (shape, dtype) == (array.shape, array.dtype)
        np.testing.assert_array_equal(get(), array)
    assert found["half"][1] == np.float16 and found["ids"][1] == np.int64


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_what_is_written_the_library_reads(tmp_path, dtype):
    path = tmp_path / "a.safetensors"
    leaves = {name: jax.ShapeDtypeStruct(array.shape, dtype) for name, array in ARRAYS.items()}
    facts = {"step": "7"}
    safetensors_files.write(path, leaves, ((name, array.T.T) for name, array in ARRAYS.items()), facts)
    assert safetensors_files.metadata(path)["step"] == "7"
    assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]
    if dtype != "bfloat16":  # which the library's numpy reader may lack
        for name, array in load_file(path).items():
            assert array.dtype == dtype
            np.testing.assert_array_equal(array, ARRAYS[name])
    for name, (_, found, get) in safetensors_files.opened(path).items():
        assert found == jnp.dtype(dtype)
        np.testing.assert_array_equal(get().astype(np.float32), ARRAYS[name])


def test_arrays_out_of_turn_leave_no_file(tmp_path):
    path = tmp_path / "a.safetensors"
    with pytest.raises(ValueError, match=r"a.safetensors: b \(3,\) comes where a \(2,\) belongs"):
        safetensors_files.write(path, {"a": np.zeros(2)}, [("b", np.zeros(3))])
    with pytest.raises(OSError, match="cannot write"):
        safetensors_files.write(tmp_path / "no" / "a.safetensors", {}, [])
    assert list(tmp_path.iterdir()) == []


def _file(path, header, content=b""):
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content)


@pytest.mark.parametrize("entry, content", [
    ({"dtype": "F32", "shape": [4], "data_offsets": [0, 8]}, 8),  # says 16 bytes, names 8
    ({"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, 4),  # cut off
    ({"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}, 12),  # a hole
    ({"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 8]}, 8),
    ({"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}, 8),
])  # fmt: skip
def test_a_file_that_lies_about_itself_is_one_line(tmp_path, entry, content):
    _file(tmp_path / "a.safetensors", {"a": entry}, b"\0" * content)
    with pytest.raises(ValueError, match="a.safetensors: not a whole safetensors file .*; copy it anew") as error:
        safetensors_files.opened(tmp_path / "a.safetensors")
    assert "\n" not in str(error.value)


def test_headers_that_are_none_are_one_line(tmp_path):
    path = tmp_path / "a.safetensors"
    for content in (b"", b"\xff" * 40, (2**60).to_bytes(8, "little") + b"{}"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="not a whole safetensors file"):
            safetensors_files.opened(path)
    _file(path, {"a": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]}}, b"\0\0")
    with pytest.raises(ValueError, match="holds arrays of F8_E4M3, which is not read; convert it to float32"):
        safetensors_files.opened(path)


def test_a_file_that_became_shorter_since(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file({"a": np.zeros(8, np.float32)}, path)
    _, _, get = safetensors_files.opened(path)["a"]
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ValueError, match="became shorter"):
        get()
