"""The engine of public weights, both ways: which tensor of a file becomes which array of a part, and back.

A `Kind` (one small file each) says how their names follow from our paths; here tensors are held against the arrays that
a part has, read one at a time straight to their shards, and written back.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from xdancer_jax.pretrained import architectures, safetensors_files, tensors
from xdancer_jax.pretrained.tensors import Tensors

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]


class Entry(NamedTuple):
    """One array of ours.

    path: of ours, in its part. names: theirs; several are stacked along our first axis. axes: ours are theirs,
    transposed so. resized: rows may be of another number there, and are interpolated from the first to the last.
    """

    path: str
    names: tuple[str, ...]
    axes: tuple[int, ...]
    resized: bool = False


@dataclasses.dataclass(frozen=True)
class Kind:
    """A public layout.

    Attributes:
      name: of the command line, "sd15-unet". about: for people.
      folders, stems: where it lies in a folder, see tensors.located.
      entry: (path of ours, its shape) -> Entry; names as diffusers or transformers write them.
      fields: shapes by their names, and config.json beside them -> fields of our module that these tell. KeyError where
        they are of something else.
      left_out: regex of names that have no place here, on purpose.
      optional: regex of our paths that a file may lack: they stay as they are made.
      renamed: names in a file -> {name: the one that `entry` gives}, for other spellings; what it lacks keeps its own.
      extra: config.json beside the file -> the one value of each array of the part's mutable collections, by path.
    """

    name: str
    about: str
    folders: tuple[str, ...]
    stems: tuple[str, ...]
    entry: Callable[[str, Shape], Entry]
    fields: Callable[[Shapes, Mapping[str, Any]], dict[str, Any]]
    left_out: str = r"(?!)"
    optional: str = r"(?!)"
    renamed: Callable[[Iterable[str]], Mapping[str, str]] = lambda names: {}
    extra: Callable[[Mapping[str, Any]], dict[str, float]] = lambda described: {}


@dataclasses.dataclass(frozen=True)
class Source:
    """A weight file of a kind, opened: its tensors by the kind's names, and config.json beside it."""

    kind: Kind
    path: Path
    tensors: Tensors
    described: Mapping[str, Any]

    @property
    def fields(self) -> dict[str, Any]:
        """Of our module, as the shapes of the file tell them."""
        return self.kind.fields({name: each.shape for name, each in self.tensors.items()}, self.described)

    def entries(self, shapes: Shapes) -> list[Entry]:
        """Of the arrays of ours, by path with their shapes, that this file has.

        Raises:
          ValueError: arrays are missing, extra, mis-shaped or no floating-point numbers; lists every one.
        """
        entries, problems, known = [], [], set()
        for path, shape in shapes.items():
            entry = self.kind.entry(path, shape)
            known.update(entry.names)
            missing = [name for name in entry.names if name not in self.tensors]
            if missing and re.fullmatch(self.kind.optional, path):
                continue
            problems += [f"missing {name}" for name in missing]
            entries.append(entry)
            problems += self._misfits(entry, shape)
        extra = self.tensors.keys() - known
        problems += [f"extra {name}" for name in extra if not re.fullmatch(self.kind.left_out, name)]
        if problems:
            raise ValueError("\n  ".join([f"{self.path}: not {self.kind.about}:", *sorted(problems)]))
        return entries

    def _misfits(self, entry: Entry, shape: Shape) -> Iterator[str]:
        wanted = _theirs(entry, shape)
        for name in entry.names:
            if name not in self.tensors:
                continue
            found, dtype = self.tensors[name].shape, self.tensors[name].dtype
            seen = found[1:] == wanted[1:] and found[0] if entry.resized and found else _plain(found, wanted) == wanted
            if not seen:
                yield f"mis-shaped {name}: {found}, {wanted} expected"
            elif dtype.kind != "f" and dtype != jax.numpy.bfloat16:
                yield f"{name} holds {dtype}, floating-point numbers expected"

    def read(self, wanted: Mapping[str, jax.ShapeDtypeStruct]) -> dict[str, jax.Array]:
        """Arrays by whole path ("params/unet/conv_in/kernel") of one part, those that the file has; each laid out as
        its jax.ShapeDtypeStruct says, whose dtype it takes. One array of ours is in host memory at a time.

        Raises ValueError, see `entries`.
        """
        inside = {path: path.split("/", 2) for path in wanted}
        own = {rest: wanted[path] for path, (tree, _, rest) in inside.items() if tree == "params"}
        values, found = self.kind.extra(self.described), {}
        entries = {entry.path: entry for entry in self.entries({path: leaf.shape for path, leaf in own.items()})}
        for path, (tree, _, rest) in inside.items():
            leaf = wanted[path]
            if tree == "params" and rest in entries:
                # What is assembled has no name here, so that it is gone by the next.
                found[path] = _placed(self._assembled(entries[rest], leaf.shape), leaf)
            elif tree == "extra" and rest in values:
                found[path] = _placed(np.full(leaf.shape, values[rest], np.float32), leaf)
        return found

    def _assembled(self, entry: Entry, shape: Shape) -> np.ndarray:
        if not _stacked(entry, shape):
            return self._one(entry, entry.names[0], shape)
        stacked = None
        for row, name in enumerate(entry.names):
            array = self._one(entry, name, shape[1:])
            stacked = np.empty(shape, array.dtype) if stacked is None else stacked
            stacked[row] = array
        return stacked

    def _one(self, entry: Entry, name: str, shape: Shape) -> np.ndarray:
        array = self.tensors[name].get()
        if entry.resized and len(array) != shape[0]:
            return _stretched(array.astype(np.float32), shape[0])
        axes = entry.axes
        return array.reshape([array.shape[axis] for axis in range(len(axes))]).transpose(axes)


def opened(kind: Kind, source: str | Path) -> Source:
    """The weights of `kind` in a file, or in a folder as diffusers, transformers or their authors lay it out.

    Raises:
      FileNotFoundError: nothing there. ImportError: a torch file without torch.
      ValueError: no whole weight file, or one of another architecture, which is named.
    """
    path = tensors.located(source, kind.folders, kind.stems)
    found = tensors.opened(path)
    names = kind.renamed(found)
    renamed = {names.get(name, name): tensor for name, tensor in found.items()}
    if len(renamed) != len(found):
        twice = sorted(name for name in found if names.get(name, name) != name and names[name] in found)
        raise ValueError(f"{path}: holds arrays twice, in two spellings: {', '.join(twice) or 'several'}")
    made = Source(kind, path, renamed, tensors.described(path))
    architectures.check(path, kind.about, {name: tensor.shape for name, tensor in found.items()})
    try:
        made.fields  # noqa: B018 - fails where what tells the sizes is not there
    except ValueError as error:
        raise ValueError(f"{path}: not {kind.about}: {error}") from error
    except (KeyError, IndexError, StopIteration, TypeError) as error:
        some = ", ".join(sorted(found)[:3]) or "nothing"
        raise ValueError(f"{path}: not {kind.about}: it lacks {error}; it holds {some} ...") from error
    return made


def write(
    kind: Kind, path: str | Path, shapes: Shapes, arrays: Iterable[tuple[str, np.ndarray]], dtype: str = "float32"
) -> list[str]:
    """Writes a part as safetensors in the kind's names, the inverse of Source.read; what a file of this kind may lack
    is left out. An array is in memory at a time.

    shapes: of the part's parameters by path. arrays: each with its path, in the order of `shapes`.
    Returns the names written. Raises OSError, which names the file.
    """
    entries = {ours: kind.entry(ours, shape) for ours, shape in shapes.items() if kept(kind, ours)}
    theirs = {
        name: jax.ShapeDtypeStruct(_theirs(entry, shapes[ours]), dtype)
        for ours, entry in entries.items() for name in entry.names
    }

    def named() -> Iterator[tuple[str, np.ndarray]]:
        for ours, whole in arrays:
            rows = whole if _stacked(entries[ours], whole.shape) else [whole]
            for name, array in zip(entries[ours].names, rows, strict=True):
                yield name, array.transpose(np.argsort(entries[ours].axes))

    safetensors_files.write(path, theirs, named())
    return list(theirs)


def kept(kind: Kind, path: str) -> bool:
    """Whether every file of the kind has an array for this path of ours."""
    return not re.fullmatch(kind.optional, path)


def _stacked(entry: Entry, shape: Shape) -> bool:
    return len(shape) == len(entry.axes) + 1


def _theirs(entry: Entry, shape: Shape) -> Shape:
    """Shape of each of their arrays for ours of `shape`."""
    own = shape[1:] if _stacked(entry, shape) else shape
    return tuple(own[axis] for axis in np.argsort(entry.axes))


def _plain(found: Shape, wanted: Shape) -> Shape:
    """`found` without the 1 x 1 of a convolution where a linear layer is wanted."""
    return found[:2] if len(found) == 4 and len(wanted) == 2 and found[2:] == (1, 1) else found


def _placed(value: np.ndarray, leaf: jax.ShapeDtypeStruct) -> jax.Array:
    # Not before it is there: transfers that wait would keep their host arrays.
    return jax.block_until_ready(jax.make_array_from_callback(
        leaf.shape, leaf.sharding, lambda index: value[index].astype(leaf.dtype, copy=False)
    ))


def _stretched(table: np.ndarray, length: int) -> np.ndarray:
    """Rows of `table` (L, D) at `length` even places from its first to its last."""
    places, rows = np.linspace(0, len(table) - 1, length), np.arange(len(table))
    return np.stack([np.interp(places, rows, channel) for channel in table.T], axis=1).astype(np.float32)


def torch_entry(path: str, shape: Sequence[int]) -> Entry:
    """The names that a torch module's state dict has for ours: "." for "/" and before an index; `weight` for kernel,
    scale and embedding. A torch convolution is (out, in, height, width), a linear layer (out, in)."""
    *modules, leaf = path.split("/")
    # linear_1 and linear_2 of a time embedding are names, resnets_0 is the first of a list.
    modules = [name if name.startswith("linear_") else re.sub(r"_(\d+)$", r".\1", name) for name in modules]
    same = tuple(range(len(shape)))
    axes = {4: (2, 3, 1, 0), 2: (1, 0)}.get(len(shape), same) if leaf == "kernel" else same
    name = "weight" if leaf in ("kernel", "scale", "embedding") else leaf
    return Entry(path, (".".join([*modules, name]),), axes)


__all__ = ["Entry", "Kind", "Shapes", "Source", "kept", "opened", "torch_entry", "write"]
