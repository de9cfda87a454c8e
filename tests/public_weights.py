"""Public weight files without weights: the golden key lists of tests/golden/public_*.txt, at full size or shrunk."""

from pathlib import Path

import jax
import numpy as np

from xdancer_jax.pretrained.table import Source
from xdancer_jax.pretrained.tensors import Tensor

GOLDEN = Path(__file__).parent / "golden"
FLOAT = np.dtype(np.float32)


def _read(name):
    lines = [line.split() for line in (GOLDEN / name).read_text().splitlines() if not line.startswith("#")]
    return {path: tuple(map(int, shape)) for path, *shape in lines}


def listed(name):
    """Shape of every tensor of a public file, by its names."""
    return _read(f"public_{name}.txt")


def ours(part, model="video_paper_motion"):
    """Shape of every array of our part at paper size, by path in it; `model` names a golden list of ours."""
    lines = (GOLDEN / f"{model}.txt").read_text().splitlines()[:-1]
    found = {path: tuple(map(int, shape)) for path, *shape in (line.split() for line in lines)}
    return {path.removeprefix(f"{part}/"): shape for path, shape in found.items() if path.startswith(f"{part}/")}


def shrunk(shapes, by=40):
    """The same names with every width from 64 on divided by `by`, others kept."""
    return {name: tuple(n // by if n >= 64 else n for n in shape) for name, shape in shapes.items()}


def tensors(shapes, seed=0):
    """Random float32 tensors of these shapes, kept: {name: array}."""
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def held(arrays):
    """Tensors of arrays in memory."""
    return {name: Tensor(array.shape, array.dtype, lambda array=array: array) for name, array in arrays.items()}


def source(kind, given, described=None):
    """A source of `kind` from shapes, which nobody may read, or from arrays, in the names that a file has."""
    found = {
        name: Tensor(each, FLOAT, lambda: 1 / 0) if isinstance(each, tuple) else held({name: each})[name]
        for name, each in given.items()
    }
    names = kind.renamed(found)
    return Source(kind, Path("file"), {names.get(name, name): each for name, each in found.items()}, described or {})


def wanted(part, shapes, dtype="float32"):
    """What a part asks a source for, on the one device."""
    place = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    return {f"params/{part}/{path}": jax.ShapeDtypeStruct(shape, dtype, sharding=place)
            for path, shape in shapes.items()}
