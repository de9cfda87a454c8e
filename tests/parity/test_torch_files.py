"""Torch's own files: what is read of them, and what is refused."""

import pickle

import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.pretrained import torch_files

torch = pytest.importorskip("torch", reason="parity needs torch, diffusers and transformers")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("wrapped", [lambda x: x, lambda x: {"state_dict": x, "global_step": 3}])
def test_state_dicts_are_read_bit_for_bit(tmp_path, zipped, wrapped):
    values = {"a": torch.randn(3, 4), "b": torch.randn(5).half(), "c": torch.randn(2, 2).bfloat16(),
              "t": torch.randn(4, 3).t(), "ids": torch.arange(3)}
    torch.save(wrapped(values | {"step": 3}), tmp_path / "a.ckpt", _use_new_zipfile_serialization=zipped)
    found = torch_files.opened(tmp_path / "a.ckpt")
    assert found.keys() == values.keys() and found["c"][1] == jnp.bfloat16
    for name, value in values.items():
        shape, dtype, get = found[name]
        assert shape == tuple(value.shape) and get().dtype == dtype
        np.testing.assert_array_equal(get().astype(np.float32), value.float().numpy())


class _Program:
    def __reduce__(self):
        return (print, ("ran",))


def test_whatever_is_no_weight_is_refused(tmp_path, capsys):
    path = tmp_path / "a.pth"
    torch.save({"a": torch.ones(2), "hook": _Program()}, path)
    with pytest.raises(ValueError, match="it holds more than weights, which is refused.* or give a .safetensors"):
        torch_files.opened(path)
    path.write_bytes(pickle.dumps(_Program()))
    with pytest.raises(ValueError, match="a.pth: not a whole torch file"):
        torch_files.opened(path)
    assert "ran" not in capsys.readouterr().out
    torch.save([1, 2], path)
    with pytest.raises(ValueError, match="holds no weights by name"):
        torch_files.opened(path)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_is_cut_is_one_line(tmp_path, zipped):
    path = tmp_path / "a.pth"
    torch.save({"a": torch.ones(100, 100)}, path, _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    for length in (0, 10, len(content) // 2, len(content) - 200):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="a.pth: not a whole torch file of weights") as error:
            torch_files.opened(path)
        assert "\n" not in str(error.value)
