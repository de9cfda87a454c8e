"""A work directory whose weights are one file, to ship and to read: weights.safetensors in place of checkpoints/.

Parameters (the averaged ones, where the run kept them) and mutable collections by our own paths, "params/unet/..." and
"extra/tokenizer/...", with the step and the digests of the parts in the file's metadata. `checkpoint.stored` reads it
as it reads a checkpoint; there is no optimizer in it, so that no training goes on in such a directory.
"""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import jax
import numpy as np
from etils.epath import Path

from xdancer_jax import paths
from xdancer_jax.pretrained.safetensors_files import metadata, opened
from xdancer_jax.pretrained.safetensors_files import write as write_arrays
from xdancer_jax.train.leaves import check_leaves
from xdancer_jax.typing import Array

NAME: Final = "weights.safetensors"


@dataclasses.dataclass(frozen=True)
class Packed:
    """The weights of a packed run: see checkpoint.Stored, whose place it takes; directory is the file."""

    directory: Path
    step: int
    leaves: Mapping[str, jax.ShapeDtypeStruct]
    digests: Mapping[str, str]

    def read(self, wanted: Mapping[str, Any]) -> dict[str, Array]:
        """As Stored.read. Raises ValueError for what does not fit."""
        parts = {path.split("/")[1] for path in wanted}
        known = {path: leaf for path, leaf in self.leaves.items() if path.split("/")[1] in parts}
        check_leaves(self.directory, known, wanted, dtypes=False)
        return dict(self.each(wanted))

    def each(self, wanted: Mapping[str, Any]) -> Iterator[tuple[str, Array]]:
        """As Stored.each: one array in host memory at a time."""
        arrays = opened(self.directory)
        for path, leaf in wanted.items():
            yield path, jax.device_put(arrays[path][2]().astype(leaf.dtype), leaf.sharding)


def file_of(workdir: str | Path) -> Path | None:
    """The file of a packed run; None where `workdir` is no such one, or lies in a store."""
    path = paths.at(workdir) / NAME
    return path if not paths.in_store(path) and path.is_file() else None


def stored(path: Path) -> Packed:
    """What the file holds; no array is read yet. Raises ValueError for one that is damaged or not of a run."""
    arrays, facts = opened(path), metadata(path)
    try:
        step, digests = int(facts["step"]), dict(json.loads(facts["digests"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not the weights of a run (no {error}); export it anew") from error
    leaves = {name: jax.ShapeDtypeStruct(shape, dtype) for name, (shape, dtype, _) in arrays.items()}
    return Packed(path, step, leaves, digests)


def write(
    path: Path, leaves: Mapping[str, jax.ShapeDtypeStruct], arrays: Iterable[tuple[str, np.ndarray]], step: int,
    digests: Mapping[str, str],
) -> None:
    """Writes `arrays`, each by its path in the order of `leaves` and in their dtypes. Raises OSError."""
    facts = {"step": str(step), "digests": json.dumps(dict(digests))}
    write_arrays(path, leaves, arrays, facts)


__all__ = ["NAME", "Packed", "file_of", "stored", "write"]
