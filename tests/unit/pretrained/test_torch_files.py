import sys

import pytest

from xdancer_jax.pretrained import torch_files


def test_without_torch_the_way_out_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"a.pth: a torch file, and torch is not installed; install it"):
        torch_files.opened(tmp_path / "a.pth")
