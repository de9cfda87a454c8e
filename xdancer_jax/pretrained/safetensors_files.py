"""safetensors files (huggingface/safetensors, its README's "Format"), read and written an array at a time.

The library checks a file's header against the file; its readers map files into memory, where pages that were read stay,
and its writers want all arrays at once. So bytes are read and written here.
"""

import contextlib
import json
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open

_DTYPES: Final = {
    "F64": np.dtype("<f8"), "F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype(jnp.bfloat16),
    "I64": np.dtype("<i8"), "I32": np.dtype("<i4"), "I16": np.dtype("<i2"), "I8": np.dtype("i1"), "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}  # fmt: skip
_NAMES: Final = {dtype: name for name, dtype in _DTYPES.items()}


def opened(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype, Callable[[], np.ndarray]]]:
    """(shape, dtype, get) of every array by name. Raises ValueError for a file that is cut off or not what it says."""
    header, length = _header(path)
    header.pop("__metadata__", None)
    unknown = sorted({entry["dtype"] for entry in header.values()} - _DTYPES.keys())
    if unknown:
        raise ValueError(f"{path}: holds arrays of {', '.join(unknown)}, which is not read; convert it to float32")
    return {name: _entry(path, 8 + length, entry) for name, entry in header.items()}


def metadata(path: Path) -> dict[str, str]:
    """What a file says of itself beside its arrays. Raises as `opened`."""
    return _header(path)[0].get("__metadata__", {})


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """The header and its length."""
    try:
        with safe_open(path, "numpy"):  # checks lengths, offsets and shapes
            pass
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            return json.loads(file.read(length)), length
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(f"{path}: not a whole safetensors file ({error}); copy it anew") from error


def _entry(path: Path, start: int, entry: Mapping[str, Any]):
    shape, dtype = tuple(entry["shape"]), _DTYPES[entry["dtype"]]
    begin, end = entry["data_offsets"]

    def get() -> np.ndarray:
        with open(path, "rb") as file:
            values = np.fromfile(file, dtype, math.prod(shape), offset=start + begin)
        if values.nbytes != end - begin:
            raise ValueError(f"{path}: not a whole safetensors file (it became shorter); copy it anew")
        return values.reshape(shape)

    return shape, dtype, get


def write(
    path: str | os.PathLike, leaves: Mapping[str, Any], arrays: Iterable[tuple[str, np.ndarray]],
    facts: Mapping[str, str] | None = None,
) -> None:
    """Writes `arrays`, each by its name in the order of `leaves`, which say shape and dtype: one in memory at a time.
    The file appears whole or not at all. facts: what it says of itself, see `metadata`.

    Raises OSError, which names the file.
    """
    path = Path(path)
    header, end = {"__metadata__": {"format": "pt", **(facts or {})}}, 0
    for name, leaf in leaves.items():
        kind = np.dtype(leaf.dtype)
        begin, end = end, end + math.prod(leaf.shape) * kind.itemsize
        header[name] = {"dtype": _NAMES[kind], "shape": list(leaf.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            file.write(len(text).to_bytes(8, "little") + text)
            for (wanted, leaf), (name, array) in zip(leaves.items(), arrays, strict=True):
                if (wanted, leaf.shape) != (name, array.shape):
                    raise ValueError(f"{path}: {name} {array.shape} comes where {wanted} {leaf.shape} belongs")
                file.write(np.ascontiguousarray(array, leaf.dtype).reshape(-1).view(np.uint8).data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException as error:
        if temporary:
            with contextlib.suppress(OSError):
                temporary.unlink()
        if isinstance(error, OSError):
            raise OSError(error.errno, f"cannot write: {error.strerror}", str(path)) from error
        raise


__all__ = ["metadata", "opened", "write"]
