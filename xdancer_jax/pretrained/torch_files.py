"""Torch's weight files (.bin, .pth, .pt, .ckpt): pickles, so read by `weights_only` alone, where torch is installed."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import jax.numpy as jnp
import numpy as np

_INSIDE: Final = ("state_dict", "model", "module")  # where training programs put the weights


def opened(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype, Callable[[], np.ndarray]]]:
    """(shape, dtype, get) of every tensor by name. The file is mapped, where its format allows it, and not read yet.

    Raises:
      ImportError: no torch here. ValueError: cut off, not torch's, or something else than weights in it.
    """
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            f"{path}: a torch file, and torch is not installed; install it (pip install torch), or give a .safetensors "
            "file"
        ) from error
    try:
        content = _loaded(torch, path)
    except Exception as error:  # torch has no list of what a damaged file leads to
        reason = " ".join(str(error).split())
        if "Unsupported" in reason or "Weights only load failed" in reason:
            reason = "it holds more than weights, which is refused since it could run a program"
        raise ValueError(
            f"{path}: not a whole torch file of weights ({reason[:200]}); copy it anew, or give a .safetensors file"
        ) from error
    for name in _INSIDE:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
    if not isinstance(content, Mapping):
        raise ValueError(f"{path}: holds no weights by name; give a state dict")
    return {str(name): _entry(torch, value) for name, value in content.items() if isinstance(value, torch.Tensor)}


def _loaded(torch: Any, path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError as error:
        if "mmap can only be used" not in str(error):
            raise
        return torch.load(path, map_location="cpu", weights_only=True)  # of torch before 1.6: no zip archive


def _entry(torch: Any, value: Any):
    halves = value.dtype == torch.bfloat16  # which numpy lacks
    dtype = np.dtype(jnp.bfloat16) if halves else torch.empty((), dtype=value.dtype).numpy().dtype

    def get() -> np.ndarray:
        held = value.detach()
        if halves:
            return held.contiguous().view(torch.int16).numpy().copy().view(jnp.bfloat16)
        return held.numpy().copy()  # a mapped file may go away

    return tuple(value.shape), dtype, get


__all__ = ["opened"]
