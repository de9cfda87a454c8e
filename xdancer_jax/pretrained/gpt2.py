"""GPT-2's public weights (the layout of transformers' GPT2Model) to MusicGPT's parameters: a name map alone.

Both store a linear layer's kernel as (in, out). What has no place in MusicGPT is left out by name: the word table
`wte`, its tied `lm_head`, and the causal masks that old files carry.
"""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from safetensors import SafetensorError, safe_open

_LEFT_OUT = re.compile(r"wte\.weight|lm_head\.weight|h\.\d+\.attn\.(masked_)?bias")
_PREFIX, _POSITIONS = "transformer.", "wpe.weight"
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


def reader(
    path: str | Path, num_layers: int, width: int, num_positions: int
) -> Callable[[Mapping[str, jax.ShapeDtypeStruct]], dict[str, jax.Array]]:
    """Reads the safetensors file at `path`: from shapes with shardings by path of ours to the arrays of those that
    GPT-2 has, laid out so. One array of ours is in host memory at a time.

    A position table of another length is interpolated linearly from its first row to its last (open: the paper has
    2224 positions and does not say how GPT-2's 1024 become them).

    Raises:
      FileNotFoundError: no such file.
      ValueError: not a whole safetensors file; or arrays are missing, extra or of another shape: lists every one.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    with _opened(path) as file:
        prefixed = {name.removeprefix(_PREFIX): name for name in list(file.keys())}
        found = {name: tuple(file.get_slice(theirs).get_shape()) for name, theirs in prefixed.items()}
    try:
        check(found, num_layers, width, num_positions)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error

    def read(wanted: Mapping[str, jax.ShapeDtypeStruct]) -> dict[str, jax.Array]:
        arrays = {}
        with _opened(path) as file:
            for ours, theirs in _by_ours(num_layers).items():
                if ours in wanted:
                    arrays[ours] = _placed(  # what is assembled has no name here, so that it is gone by the next
                        _assembled(theirs, lambda name: file.get_tensor(prefixed[name]), num_positions), wanted[ours]
                    )
        return arrays

    return read


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, "numpy") as file:
            yield file
    except SafetensorError as error:
        raise ValueError(f"{path}: not a whole safetensors file ({error})") from error


def _placed(value: np.ndarray, leaf: jax.ShapeDtypeStruct) -> jax.Array:
    if value.shape != leaf.shape:
        raise ValueError(f"GPT-2's array is {value.shape} where the model has {leaf.shape}")
    # Not before it is there: transfers that wait would keep their host arrays.
    return jax.block_until_ready(jax.make_array_from_callback(
        leaf.shape, leaf.sharding, lambda index: value[index].astype(leaf.dtype, copy=False)
    ))


def check(found: Mapping[str, tuple[int, ...]], num_layers: int, width: int, num_positions: int) -> None:
    """Holds shapes by name (without "transformer.") against those of a GPT-2. Raises ValueError, see `reader`."""
    wanted, expected = names(num_layers), shapes(num_layers, width, num_positions)
    problems = [f"missing {name}" for name in wanted if name not in found]
    problems += [f"extra {name}" for name in found if name not in wanted and not _LEFT_OUT.fullmatch(name)]
    for name in wanted.keys() & found.keys():
        shape, ours = found[name], expected[name]
        if shape != ours and not (name == _POSITIONS and shape[1:] == ours[1:]):
            problems.append(f"mis-shaped {name}: {shape}, {ours} expected")
    if problems:
        raise ValueError("\n  ".join([f"no GPT-2 of {num_layers} layers and width {width}:", *sorted(problems)]))


def from_public(
    tensors: Mapping[str, np.ndarray], num_layers: int, width: int, num_positions: int
) -> dict[str, np.ndarray]:
    """GPT-2's `tensors` by their names, without "transformer.", as float32 arrays by path of ours; see `check`."""
    check({name: array.shape for name, array in tensors.items()}, num_layers, width, num_positions)
    return {
        ours: _assembled(theirs, tensors.__getitem__, num_positions) for ours, theirs in _by_ours(num_layers).items()
    }


def _by_ours(num_layers: int) -> dict[str, list[str]]:
    """Path of ours -> their names, in the order of the layers."""
    found: dict[str, list[str]] = {}
    for name, (path, _) in names(num_layers).items():
        found.setdefault(path, []).append(name)
    return found


def _assembled(theirs: list[str], get: Callable[[str], np.ndarray], num_positions: int) -> np.ndarray:
    """One array of ours, float32: layers stacked, positions stretched."""
    if theirs == [_POSITIONS]:
        return _stretch(np.asarray(get(_POSITIONS), np.float32), num_positions)
    if not theirs[0].startswith("h."):
        return np.asarray(get(theirs[0]), np.float32)
    first = get(theirs[0])
    stacked = np.empty((len(theirs), *first.shape), np.float32)
    for layer, name in enumerate(theirs):
        stacked[layer] = get(name)
    return stacked


def _stretch(table: np.ndarray, length: int) -> np.ndarray:
    """Rows of `table` (L, D) at `length` even places from its first to its last."""
    places, rows = np.linspace(0, len(table) - 1, length), np.arange(len(table))
    return np.stack([np.interp(places, rows, channel) for channel in table.T], axis=1).astype(np.float32)


__all__ = ["check", "from_public", "names", "reader", "shapes"]
