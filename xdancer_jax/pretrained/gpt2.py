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
    """Shape of every array that is taken over, by path of ours."""
    outputs = {"c_attn": 3 * width, "c_fc": 4 * width}
    found = {}
    for path in names(num_layers).values():
        *_, module, leaf = f"/{path}".split("/")
        features = outputs.get(module, width)
        inputs = 4 * width if "mlp/c_proj" in path else width
        found[path] = (inputs, features) if leaf == "kernel" else (features,)
    return found | {"wpe": (num_positions, width)}


def names(num_layers: int) -> dict[str, str]:
    """Their name -> "/"-joined path of ours, for every array that is taken over."""
    found = {_POSITIONS: "wpe"} | {f"ln_f.{theirs}": f"ln_f/{ours}" for theirs, ours in _NORM.items()}
    for layer in range(num_layers):
        for module, leaves in _BLOCK.items():
            path = f"h_{layer}/{module.replace('.', '/')}"
            found |= {f"h.{layer}.{module}.{theirs}": f"{path}/{ours}" for theirs, ours in leaves.items()}
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
        shape, ours = tensors[name].shape, expected[wanted[name]]
        if shape != ours and not (name == _POSITIONS and shape[1:] == ours[1:]):
            problems.append(f"mis-shaped {name}: {shape}, {ours} expected")
    if problems:
        raise ValueError("\n  ".join([f"no GPT-2 of {num_layers} layers and width {width}:", *sorted(problems)]))
    found = {ours: np.asarray(tensors[name], np.float32) for name, ours in wanted.items()}
    return found | {"wpe": _stretch(found["wpe"], num_positions)}


def to_public(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of MusicGPT's parameters, by path, that have a place in GPT-2, under their names."""
    layers = sum(path.endswith("ln_1/scale") for path in arrays)
    return {name: np.asarray(arrays[ours]) for name, ours in names(layers).items()}


def _stretch(table: np.ndarray, length: int) -> np.ndarray:
    """Rows of `table` (L, D) at `length` even places from its first to its last."""
    places, rows = np.linspace(0, len(table) - 1, length), np.arange(len(table))
    return np.stack([np.interp(places, rows, channel) for channel in table.T], axis=1).astype(np.float32)


__all__ = ["from_public", "names", "read", "shapes", "to_public"]
