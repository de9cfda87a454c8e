"""GPT-2's public weights (the layout of transformers' GPT2Model) to MusicGPT's parameters and back: a name map alone.

Both store a linear layer's kernel as (in, out). What has no place in MusicGPT is left out by name: the word table
`wte`, its tied `lm_head`, and the causal masks that old files carry.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

_LEFT_OUT = re.compile(r"wte\.weight|lm_head\.weight|h\.\d+\.attn\.(masked_)?bias")
_POSITIONS = "wpe.weight"
_LINEAR = {"weight": "kernel", "bias": "bias"}
_NORM = {"weight": "scale", "bias": "bias"}
_BLOCK = {"ln_1": _NORM, "attn.c_attn": _LINEAR, "attn.c_proj": _LINEAR, "ln_2": _NORM, "mlp.c_fc": _LINEAR,
          "mlp.c_proj": _LINEAR}


def shapes(num_layers: int, width: int, num_positions: int) -> dict[str, tuple[int, ...]]:
    """Shape of every array that is taken over, by their name."""
    outputs = {"attn.c_attn": 3 * width, "mlp.c_fc": 4 * width}
    found = {_POSITIONS: (num_positions, width)}
    for name in names(num_layers):
        module = name.split(".", 2)[-1].rsplit(".", 1)[0]
        features = outputs.get(module, width)
        inputs = 4 * width if module == "mlp.c_proj" else width
        if name != _POSITIONS:
            matrix = name.endswith("weight") and "ln_" not in name
            found[name] = (inputs, features) if matrix else (features,)
    return found


def names(num_layers: int) -> dict[str, tuple[str, int | None]]:
    """Their name -> ("/"-joined path of ours, layer or None), for every array that is taken over. Ours stack layers."""
    found = {_POSITIONS: ("wpe", None)} | {f"ln_f.{theirs}": (f"ln_f/{ours}", None) for theirs, ours in _NORM.items()}
    for layer in range(num_layers):
        for module, leaves in _BLOCK.items():
            path = f"h/{module.replace('.', '/')}"
            found |= {f"h.{layer}.{module}.{theirs}": (f"{path}/{ours}", layer) for theirs, ours in leaves.items()}
    return found


def read(path: str | Path, num_layers: int, width: int, num_positions: int) -> dict[str, np.ndarray]:
    """Arrays of the safetensors file at `path` by path of ours, float32.

    A position table of another length is interpolated linearly from its first row to its last (open: the paper has
    2224 positions and does not say how GPT-2's 1024 become them).

    Raises:
      FileNotFoundError: no such file.
      ValueError: not a whole safetensors file; or arrays are missing, extra or of another shape: lists every one.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        tensors = {name.removeprefix("transformer."): array for name, array in load_file(path).items()}
    except SafetensorError as error:
        raise ValueError(f"{path}: not a whole safetensors file ({error})") from error
    try:
        return from_public(tensors, num_layers, width, num_positions)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def from_public(
    tensors: Mapping[str, np.ndarray], num_layers: int, width: int, num_positions: int
) -> dict[str, np.ndarray]:
    """See `read`, which adds the file to the errors; `tensors` by their names, without "transformer."."""
    wanted, expected = names(num_layers), shapes(num_layers, width, num_positions)
    problems = [f"missing {name}" for name in wanted if name not in tensors]
    problems += [f"extra {name}" for name in tensors if name not in wanted and not _LEFT_OUT.fullmatch(name)]
    for name in wanted.keys() & tensors.keys():
        shape, ours = tensors[name].shape, expected[name]
        if shape != ours and not (name == _POSITIONS and shape[1:] == ours[1:]):
            problems.append(f"mis-shaped {name}: {shape}, {ours} expected")
    if problems:
        raise ValueError("\n  ".join([f"no GPT-2 of {num_layers} layers and width {width}:", *sorted(problems)]))
    found = {path: [] for path, _ in wanted.values()}
    for name, (path, _) in wanted.items():  # in the order of the layers
        found[path].append(np.asarray(tensors[name], np.float32))
    whole = {path for path, layer in wanted.values() if layer is None}
    found = {path: arrays[0] if path in whole else np.stack(arrays) for path, arrays in found.items()}
    return found | {"wpe": _stretch(found["wpe"], num_positions)}


def to_public(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of MusicGPT's parameters, by path, that have a place in GPT-2, under their names."""
    wanted = names(len(arrays["h/ln_1/scale"]))
    return {
        name: np.asarray(arrays[path] if layer is None else arrays[path][layer])
        for name, (path, layer) in wanted.items()
    }


def _stretch(table: np.ndarray, length: int) -> np.ndarray:
    """Rows of `table` (L, D) at `length` even places from its first to its last."""
    places, rows = np.linspace(0, len(table) - 1, length), np.arange(len(table))
    return np.stack([np.interp(places, rows, channel) for channel in table.T], axis=1).astype(np.float32)


__all__ = ["from_public", "names", "read", "shapes", "to_public"]
