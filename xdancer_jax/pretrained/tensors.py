"""Public weight files as named lazy tensors: shapes at once, values one at a time. safetensors, or torch's files."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from xdancer_jax.pretrained import safetensors_files, torch_files

SUFFIXES: Final = (  # first those that hold no program
    ".safetensors", ".safetensors.index.json", ".fp16.safetensors", ".bin", ".bin.index.json", ".pth", ".pt", ".ckpt",
)


class Tensor(NamedTuple):
    """An array of a file. `get` reads it; nothing keeps what it gives."""

    shape: tuple[int, ...]
    dtype: np.dtype
    get: Callable[[], np.ndarray]


Tensors = Mapping[str, Tensor]


def located(source: str | Path, folders: Sequence[str], stems: Sequence[str]) -> Path:
    """The weight file that `source` stands for: itself, or in a folder the first STEM + SUFFIX in the first of
    `folders` that has one; the folder itself comes last, where a lone weight file may have any name.

    Raises:
      FileNotFoundError: nothing there; names what was looked for.
    """
    source = Path(source)
    if source.is_file():
        return source
    if not source.is_dir():
        raise FileNotFoundError(f"{source}: no such file or folder")
    for folder in (*(source / name for name in folders), source):
        for stem in stems:
            for suffix in SUFFIXES:
                if (folder / f"{stem}{suffix}").is_file():
                    return folder / f"{stem}{suffix}"
    for suffix in SUFFIXES:
        alone = [path for path in source.iterdir() if path.is_file() and path.name.endswith(suffix)]
        if len(alone) == 1:
            return alone[0]
    places = " or ".join([*(f"{name}/" for name in folders), "the folder itself"])
    raise FileNotFoundError(
        f"{source}: no {' or '.join(stems)} (.safetensors, .bin, .pth, .ckpt) in {places}; name the file itself"
    )


def opened(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a file, or of all the files that an index.json names, by their names.

    Raises:
      FileNotFoundError, ValueError: one that is missing, cut off, or not what it says; ImportError: torch is needed.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    if path.name.endswith(".index.json"):
        return _sharded(path)
    found = safetensors_files.opened(path) if path.suffix == ".safetensors" else torch_files.opened(path)
    return {name: Tensor(*entry) for name, entry in found.items()}


def described(path: str | Path) -> dict:
    """config.json beside a weight file, as diffusers and transformers write it; {} without one.

    Raises ValueError for one that is no table.
    """
    config = Path(path).with_name("config.json")
    if not config.is_file():
        return {}
    try:
        content = json.loads(config.read_text())
    except ValueError as error:
        raise ValueError(f"{config}: not JSON ({error}); restore it, or move it away") from error
    if not isinstance(content, dict):
        raise ValueError(f"{config}: holds no table; restore it, or move it away")
    return content


def _sharded(index: Path) -> dict[str, Tensor]:
    try:
        places = json.loads(index.read_text())["weight_map"]
        files = sorted(set(places.values()))
        if not all(isinstance(file, str) and Path(file).name == file for file in files):
            raise ValueError("names files that do not lie beside it")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{index}: no index of weight files ({error})") from error
    found = {file: opened(index.with_name(file)) for file in files}
    missing = sorted(name for name, file in places.items() if name not in found[file])
    if missing:
        raise ValueError("\n  ".join([f"{index}: its files lack", *missing]))
    return {name: found[file][name] for name, file in places.items()}


__all__ = ["SUFFIXES", "Tensor", "Tensors", "described", "located", "opened"]
