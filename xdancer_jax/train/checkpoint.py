"""Checkpoints: the one file that knows Orbax.

A work directory holds config.json (train.record), checkpoints/<step>/ and, where weights are frozen,
frozen/<digest>/: those that no step changes, written once and named by every checkpoint. Each is a flat dict from
"/"-joined path ("params/gpt/wpe") to array, so that reading one needs no model, optimizer or mesh.
"""

import contextlib
import dataclasses
import math
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
from orbax.checkpoint import v1 as ocp

from xdancer_jax.train import digest, trees
from xdancer_jax.train.state import TrainState
from xdancer_jax.typing import Array

_ITEM = "state"  # the checkpointable's name inside Orbax
_LEAST_READ = 2**24  # bytes that may be read at a time; fewer refuse small arrays that Orbax rounds up
_UNFINISHED = "orbax-checkpoint-tmp"


class Checkpointer:
    """Writes and reads the checkpoints of one run; a context manager that waits for the last write.

    Every method must be called by every process.
    """

    def __init__(self, workdir: str | Path, keep: int):
        """Keeps the `keep` newest checkpoints, and removes what an interrupted write has left."""
        self.directory, self._workdir, self._frozen = _checkpoints(workdir), Path(workdir), ""
        training = ocp.training
        self._orbax = training.Checkpointer(
            self.directory.absolute(), cleanup_tmp_directories=True,
            save_decision_policy=training.save_decision_policies.FixedIntervalPolicy(1),
            preservation_policy=training.preservation_policies.LatestN(keep),
        )

    def __enter__(self) -> "Checkpointer":
        return self

    def __exit__(self, *unused) -> None:
        with self._naming_what_failed():
            self._orbax.close()

    def write_frozen(self, state: TrainState) -> None:
        """Writes state.frozen once a run; must come before the first `save`. Raises OSError where it cannot."""
        leaves = {f"params/{path}": leaf for path, leaf in trees.by_path(state.frozen).items()}
        if not leaves:
            return
        self._frozen = digest.of(leaves)
        path = _frozen(self._workdir, self._frozen)
        if path.is_dir():
            return
        with self._naming_what_failed():
            if jax.process_index() == 0 and path.parent.is_dir():  # left by a process that was killed
                for entry in path.parent.glob(f"*{_UNFINISHED}*"):
                    shutil.rmtree(entry)
            ocp.save_checkpointables(path.absolute(), {_ITEM: leaves})

    def save(self, step: int, state: TrainState, digests: Mapping[str, str]) -> None:
        """Starts to write `state` but its frozen weights; returns once it is copied, so that it may be donated.

        digests: of each part, as it is read back (state.eval_params and state.extra).

        Raises:
          OSError: this checkpoint or the one before could not be written; `__exit__` raises it too.
        """
        facts = {"frozen": self._frozen, "digests": dict(digests)}
        with jax.transfer_guard("allow"), self._naming_what_failed():
            self._orbax.save_checkpointables_async(step, {_ITEM: _saved(state)}, custom_metadata=facts)

    @contextlib.contextmanager
    def _naming_what_failed(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, OSError) as error:  # tensorstore says ValueError for a full disk
            raise OSError(
                f"{self.directory}: a checkpoint could not be written; the finished ones stay, and the same command "
                f"goes on from the newest: {error}"
            ) from error

    def restore(self, step: int, abstract: TrainState) -> TrainState:
        """The state of `step`, laid out as `abstract` says; the mesh may differ from the one that wrote it.

        Raises:
          ValueError: the leaves differ; lists every missing, extra and mis-shaped one.
        """
        directory = self.directory / str(step)
        stored, facts = _metadata(directory)
        wanted, frozen = _saved(abstract), trees.by_path(abstract.frozen)
        frozen = {f"params/{path}": leaf for path, leaf in frozen.items()}
        check_leaves(directory, stored, wanted)
        self._frozen = facts["frozen"]
        leaves = _load(directory, wanted)
        state = jax.tree.unflatten(
            jax.tree.structure(abstract.replace(frozen=None)), [leaves[path] for path in wanted]
        )
        if not frozen:
            return state.replace(frozen=abstract.frozen)
        path = _frozen(self._workdir, self._frozen)
        check_leaves(path, _metadata(path)[0], frozen)
        kept = _load(path, frozen)
        return state.replace(frozen=jax.tree.unflatten(jax.tree.structure(abstract.frozen), kept.values()))


def _saved(state: TrainState) -> dict[str, Any]:
    return trees.by_path(state.replace(frozen=None))


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
            arrays = _load(directory, {name: wanted[path] for name, path in names.items()})
            found |= {path: arrays[name] for name, path in names.items()}
        return {path: found[path] for path in wanted}


def stored(workdir: str | Path, step: int | None = None) -> Stored:
    """The newest finished checkpoint of the run in `workdir`, or that of `step`.

    Raises:
      ValueError: there is none, or it is damaged.
    """
    step = _find(_checkpoints(workdir), step)
    directory = _checkpoints(workdir) / str(step)
    leaves, facts = _metadata(directory)
    places = {name: (directory, name) for name in leaves if name.split("/")[0] in ("params", "extra")}
    places |= {
        name.replace("ema/", "params/", 1): (directory, name) for name in leaves if name.startswith("ema/")
    }
    found = {path: leaves[name] for path, (_, name) in places.items()}
    if facts["frozen"]:
        frozen = _frozen(workdir, facts["frozen"])
        kept, _ = _metadata(frozen)
        places |= {name: (frozen, name) for name in kept}
        found |= kept
    return Stored(directory, step, found, facts["digests"], places)


def newest(workdir: str | Path) -> int:
    """Step of the newest finished checkpoint in `workdir`; 0 if there is none."""
    directory = _checkpoints(workdir)
    names = [entry.name for entry in directory.iterdir()] if directory.is_dir() else []
    # Orbax writes under another name, and renames what is finished to its step number.
    return max((int(name) for name in names if name.isdigit()), default=0)


def _checkpoints(workdir: str | Path) -> Path:
    """Raises ValueError for a path that Orbax takes for a pattern: it would write what it cannot read."""
    directory = Path(workdir) / "checkpoints"
    found = sorted(set("[]*?\\").intersection(str(directory.absolute())))
    if found:
        raise ValueError(
            f"{workdir}: the path {directory.parent.absolute()} holds {' '.join(found)}, which Orbax takes for a "
            "pattern; rename that folder, or give a link to it"
        )
    return directory


def _frozen(workdir: str | Path, name: str) -> Path:
    return Path(workdir) / "frozen" / name


def _find(directory: Path, step: int | None) -> int:
    """`step`, or the newest finished step, of `directory`."""
    found = newest(directory.parent) if step is None else step
    if found and (directory / str(found)).is_dir():
        return found
    names = sorted(entry.name for entry in directory.iterdir()) if directory.is_dir() else []
    wanted = "finished checkpoint" if step is None else f"checkpoint of step {step}"
    raise ValueError(f"{directory}: no {wanted}; found {names or 'nothing'}")


def _metadata(directory: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Shape and dtype of every leaf of a checkpoint, by path, and what was saved beside it."""
    if not directory.is_dir():
        raise ValueError(f"{directory}: not found; restore it, or train the run anew")
    found = ocp.checkpointables_metadata(directory.absolute())
    if not found.metadata or not found.metadata.get(_ITEM):
        raise ValueError(f"{directory}: a damaged checkpoint; remove it to go on from an earlier one")
    return found.metadata[_ITEM], found.custom_metadata or {}


def _load(directory: Path, wanted: Mapping[str, Any]) -> dict[str, Array]:
    """Arrays laid out as `wanted` says. A thirtieth of it all is read at a time, or the largest array where that is
    more: decoded and on its way to its device it is there up to three times."""
    stored = _metadata(directory)[0]
    sizes = [math.prod(stored[path].shape) * stored[path].dtype.itemsize for path in wanted]
    leaves = {path: wanted.get(path, ...) for path in stored}  # "..." skips a leaf
    context = ocp.Context()
    context.memory.read_concurrent_bytes = max(*sizes, sum(sizes) // 30, _LEAST_READ)
    with context:
        found = ocp.load_checkpointables(directory.absolute(), {_ITEM: leaves})[_ITEM]
    return {path: found[path] for path in wanted}


def check_leaves(
    path: Path, stored: Mapping[str, Any], wanted: Mapping[str, Any], *, dtypes: bool = True
) -> None:
    """Holds the leaves of checkpoint `path` against what its config asks for; both by path, with shape and dtype.

    Raises:
      ValueError: lists every missing, extra and mis-shaped leaf; with `dtypes` another dtype counts as mis-shaped.
    """
    problems = [f"missing {name}" for name in wanted if name not in stored]
    problems += [f"extra {name}" for name in stored if name not in wanted]
    for name in wanted.keys() & stored.keys():
        leaf = wanted[name]
        if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.eval_shape(jax.random.key_data, leaf)
        found = stored[name]
        if tuple(found.shape) != leaf.shape or (dtypes and found.dtype != leaf.dtype):
            problems.append(
                f"mis-shaped {name}: {tuple(found.shape)} {found.dtype} in the checkpoint, {leaf.shape} {leaf.dtype} "
                "expected"
            )
    if problems:
        told = f"{path}: does not fit this run's config; give the one it was trained with, or train anew elsewhere:"
        raise ValueError("\n  ".join([told, *problems]))


__all__ = ["Checkpointer", "Stored", "check_leaves", "newest", "stored"]
