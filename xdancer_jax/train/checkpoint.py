"""Checkpoints as readers see them. With checkpointer.py, which writes them, the two files that know Orbax.

A work directory holds config.json (train.record), checkpoints/<step>/ and, where weights are frozen,
frozen/<digest>/: those that no step changes, written once and named by every checkpoint. Each is a flat dict from
"/"-joined path ("params/gpt/wpe") to array, so that reading one needs no model, optimizer or mesh.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
from etils.epath import Path
from orbax.checkpoint import v1 as ocp

from xdancer_jax import paths
from xdancer_jax.train import damage, disk, packed, saving, together
from xdancer_jax.train.leaves import check_leaves
from xdancer_jax.train.packed import Packed
from xdancer_jax.typing import Array

ITEM = "state"  # the checkpointable's name inside Orbax
_LEAST_READ = 2**24  # bytes that may be read at a time; fewer refuse small arrays that Orbax rounds up


@dataclasses.dataclass(frozen=True)
class Stored:
    """A checkpoint of a finished or running run, as readers see it: no array is read yet.

    Attributes:
      directory: of the checkpoint.
      step: its step.
      leaves: shape and dtype of all parameters, the averaged ones where the run kept them, and of the mutable
        collections, by path: "params/gpt/wpe", "extra/tokenizer/codebook/...".
      digests: of each part.
    """

    directory: Path
    step: int
    leaves: Mapping[str, Any]
    digests: Mapping[str, str]
    _places: Mapping[str, tuple[Path, str]] = dataclasses.field(repr=False)

    def read(self, wanted: Mapping[str, Any]) -> dict[str, Array]:
        """Arrays of the paths of `wanted`, each laid out as its jax.ShapeDtypeStruct says (dtypes are converted).

        Raises:
          ValueError: lists every leaf that is missing or mis-shaped, and every one that `wanted` lacks of its parts.
        """
        parts = {path.split("/")[1] for path in wanted}
        known = {path: leaf for path, leaf in self.leaves.items() if path.split("/")[1] in parts}
        check_leaves(self.directory, known, wanted, dtypes=False)
        found = {}
        for directory in {self._places[path][0] for path in wanted}:
            names = {self._places[path][1]: path for path in wanted if self._places[path][0] == directory}
            arrays = load(directory, {name: wanted[path] for name, path in names.items()})
            found |= {path: arrays[name] for name, path in names.items()}
        return {path: found[path] for path in wanted}


    def each(self, wanted: Mapping[str, Any]) -> Iterator[tuple[str, Array]]:
        """Arrays of the paths of `wanted`, one after the other and laid out as by `read`; no more bytes are read at a
        time than the largest has, a tenth of all or 64 MB: each reading looks at every array of the checkpoint."""
        rest, known = dict(wanted), {}  # by directory: what lies in it takes a second to list
        sizes = [_bytes(self.leaves[path]) for path in wanted]
        size = max([2**26, sum(sizes) // 10, *sizes])
        while rest:
            directory, group, total = self._places[next(iter(rest))][0], {}, 0
            for path in list(rest):
                total += _bytes(self.leaves[path])
                if self._places[path][0] != directory or (group and total > size):
                    break
                group[path] = rest.pop(path)
            names = {path: self._places[path][1] for path in group}
            if directory not in known:
                known[directory] = metadata(directory)[0]
            found = load(directory, {names[path]: leaf for path, leaf in group.items()}, known[directory])
            for path, name in names.items():
                yield path, found.pop(name)


def _bytes(leaf: Any) -> int:
    return math.prod(leaf.shape) * leaf.dtype.itemsize


def stored(workdir: str | Path, step: int | None = None) -> Stored | Packed:
    """The newest finished checkpoint of the run in `workdir`, or that of `step`; the one of a packed run.

    Raises:
      ValueError: there is none, or it is damaged.
    """
    if file := packed.file_of(workdir):
        found = packed.stored(file)
        if step not in (None, found.step):
            raise ValueError(f"{file}: holds step {found.step} alone, not {step}")
        return found
    step = _find(folder(workdir), step)
    directory = folder(workdir) / str(step)
    leaves, custom = metadata(directory)
    facts = damage.facts(directory, custom)
    places = {name: (directory, name) for name in leaves if name.split("/")[0] in ("params", "extra")}
    places |= {
        name.replace("ema/", "params/", 1): (directory, name) for name in leaves if name.startswith("ema/")
    }
    found = {path: leaves[name] for path, (_, name) in places.items()}
    if facts["frozen"]:
        frozen = frozen_folder(workdir, facts["frozen"])
        kept, _ = metadata(frozen)
        places |= {name: (frozen, name) for name in kept}
        found |= kept
    return Stored(directory, step, found, facts["digests"], places)


def check_digests(workdir: str | Path, step: int, digests: Mapping[str, str]) -> None:
    """Raises ValueError where `digests`, of the parts as they were read from `step`, are not those that were saved."""
    found = stored(workdir, step)
    for part, value in digests.items():  # no checksum covers large arrays in their files
        if found.digests[part] != value:
            raise damage.told(found.directory, f"the weights of part {part} are not those that were saved")


def leaves(workdir: str | Path, step: int) -> dict[str, np.ndarray]:
    """All that the checkpoint of `step` holds by path, optimizer and all, on the host; typed keys as their data."""
    directory = folder(workdir) / str(step)
    place = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    wanted = {
        path: jax.ShapeDtypeStruct(tuple(leaf.shape), leaf.dtype, sharding=place)
        for path, leaf in metadata(directory)[0].items()
    }
    found = load(directory, wanted)
    return {
        path: np.asarray(jax.random.key_data(x) if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key) else x)
        for path, x in found.items()
    }


def steps(workdir: str | Path) -> list[int]:
    """Of all finished checkpoints in `workdir`, oldest first."""
    if file := packed.file_of(workdir):
        return [packed.stored(file).step]
    return sorted(_steps(folder(workdir)))


def set_aside(workdir: str | Path, step: int) -> Path:
    """Moves the checkpoint of `step` out of the way; its new place. Every process must call it."""
    place = paths.at(workdir) / "damaged" / str(step)
    if jax.process_index() == 0:
        place.parent.mkdir(parents=True, exist_ok=True)
        tries = (place.with_name(f"{step}-{number}") for number in itertools.count(2))
        while place.exists():
            place = next(tries)
        paths.translated(place, lambda: (folder(workdir) / str(step)).rename(place))
    together.any_of(False)  # nobody looks before it is gone
    return place


def newest(workdir: str | Path) -> int:
    """Step of the newest finished checkpoint in `workdir`; 0 if there is none."""
    return max(steps(workdir), default=0)


def _steps(directory: Path) -> list[int]:
    """Of finished checkpoints: Orbax writes under another name, and renames what is finished to its step number."""
    found = [entry for entry in directory.iterdir() if entry.is_dir()] if directory.is_dir() else []
    found = [entry for entry in found if entry.name.isascii() and entry.name.isdecimal()]
    return [int(entry.name) for entry in found if saving.finished(entry)]


def folder(workdir: str | Path) -> Path:
    disk.check_no_pattern(workdir)
    return paths.at(workdir) / "checkpoints"


def frozen_folder(workdir: str | Path, name: str) -> Path:
    return paths.at(workdir) / "frozen" / name


def _find(directory: Path, step: int | None) -> int:
    """`step`, or the newest finished step, of `directory`."""
    found = newest(directory.parent) if step is None else step
    if found and (directory / str(found)).is_dir():
        return found
    names = sorted(entry.name for entry in directory.iterdir()) if directory.is_dir() else []
    wanted = "finished checkpoint" if step is None else f"checkpoint of step {step}"
    raise ValueError(f"{directory}: no {wanted}; found {names or 'nothing'}")


def metadata(directory: Path) -> tuple[dict[str, Any], Any]:
    """Shape and dtype of every leaf of a checkpoint, by path, and what was saved beside it."""
    if not directory.is_dir():
        raise ValueError(f"{directory}: not found; restore it, or train the run anew")
    found = damage.reading(directory, lambda: ocp.checkpointables_metadata(paths.whole(directory)))
    leaves = (found.metadata or {}).get(ITEM)
    if not leaves or not isinstance(leaves, dict):
        raise damage.told(directory, f"no folder {ITEM}, or nothing in it")
    if not all(hasattr(leaf, "shape") and hasattr(leaf, "dtype") for leaf in leaves.values()):
        raise damage.told(directory, "its metadata has leaves that are no arrays")
    return leaves, found.custom_metadata


def load(directory: Path, wanted: Mapping[str, Any], stored: Mapping[str, Any] | None = None) -> dict[str, Array]:
    """Arrays laid out as `wanted` says; `stored` is what `metadata` lists there, where that is known. A thirtieth of a
    process's share is read at a time, or the largest array where that is more: decoded and on its way to its device it
    is there up to three times."""
    stored = metadata(directory)[0] if stored is None else stored
    sizes = [_bytes(stored[path]) for path in wanted]
    leaves = {path: wanted.get(path, ...) for path in stored}  # "..." skips a leaf
    context = ocp.Context()
    # Orbax refuses an array that is as large as what may be read, and calls it a ValueError, which looks like damage.
    context.memory.read_concurrent_bytes = max(*sizes, sum(sizes) // (30 * jax.process_count()), _LEAST_READ) + 1

    def load() -> dict[str, Array]:
        with context:
            found = ocp.load_checkpointables(paths.whole(directory), {ITEM: leaves})[ITEM]
        return {path: found[path] for path in wanted}

    return damage.reading(directory, load)


__all__ = [
    "ITEM", "Stored", "check_digests", "check_leaves", "folder", "frozen_folder", "leaves", "load", "metadata",
    "newest", "set_aside", "steps", "stored",
]
