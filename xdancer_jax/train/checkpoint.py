"""Checkpoints: the one file that knows Orbax.

A work directory holds config.json (train.record), checkpoints/<step>/ and, where weights are frozen,
frozen/<digest>/: those that no step changes, written once and named by every checkpoint. Each is a flat dict from
"/"-joined path ("params/gpt/wpe") to array, so that reading one needs no model, optimizer or mesh.
"""

import contextlib
import dataclasses
import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from etils.epath import Path
from orbax.checkpoint import v1 as ocp

from xdancer_jax import paths
from xdancer_jax.train import damage, digest, disk, saving, together, trees
from xdancer_jax.train.leaves import check_leaves
from xdancer_jax.train.retention import Keep
from xdancer_jax.train.state import TrainState
from xdancer_jax.typing import Array

_ITEM = "state"  # the checkpointable's name inside Orbax
_LEAST_READ = 2**24  # bytes that may be read at a time; fewer refuse small arrays that Orbax rounds up


class Checkpointer:
    """Writes and reads the checkpoints of one run; a context manager that waits for the last write.

    Every method must be called by every process.
    """

    def __init__(self, workdir: str | Path, keep: Keep):
        """At each save keeps the checkpoints that `keep` names; what an interrupted write has left is removed."""
        self.directory, self._workdir, self._frozen = _checkpoints(workdir), paths.at(workdir), ""
        self._failure: OSError | None = None  # of the newest save
        self._saving: saving.Saving | None = None
        self._keep, self._preserved = keep, _Preserved()
        if self.directory.exists() and not self.directory.is_dir():
            raise OSError(f"{self.directory}: is a file, and must be a folder; move it away")
        damage.hush()
        training = ocp.training
        try:
            with _synchronous():
                self._orbax = training.Checkpointer(
                    paths.whole(self.directory), cleanup_tmp_directories=True,
                    save_decision_policy=training.save_decision_policies.FixedIntervalPolicy(1),
                    preservation_policy=self._preserved,
                )
        except (
            ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError, *paths.errors(self.directory)
        ) as error:
            for step in _steps(self.directory):  # it reads their metadata
                damage.facts(self.directory / str(step), _metadata(self.directory / str(step))[1])
            raise OSError(f"{self.directory}: cannot be a folder of checkpoints: {disk.reason(error)}") from error

    def __enter__(self) -> "Checkpointer":
        return self

    def __exit__(self, kind: type | None, *unused) -> None:
        """Raises OSError where the newest save failed, unless another error is on its way."""
        self._settle(quiet=kind is None, agree=kind is None)
        self._orbax.close()
        if self._failure is not None and kind is None:
            raise self._failure

    def write_frozen(self, state: TrainState) -> None:
        """Writes state.frozen once a run; must come before the first `save`. Raises OSError where it cannot."""
        leaves = {f"params/{path}": leaf for path, leaf in trees.by_path(state.frozen).items()}
        if not leaves:
            return
        self._frozen = digest.of(leaves)
        path = _frozen(self._workdir, self._frozen)
        if path.is_dir() and saving.finished(path):
            return
        with self._naming_what_failed(path.parent), _synchronous():
            if jax.process_index() == 0 and path.parent.is_dir():  # left by a process that was killed
                saving.remove_unfinished(path.parent)
            saving.check_disk(path.parent, leaves)
            ocp.save_checkpointables(paths.whole(path), {_ITEM: leaves})

    def save(self, step: int, state: TrainState, digests: Mapping[str, str], *, last: bool = False) -> None:
        """Starts to write `state` but its frozen weights; returns once it is copied, so that it may be donated.

        A save that fails is told in one warning as soon as it does, and the next one is tried all the same; `__exit__`
        raises where the newest failed. A failure of one process is one of all.

        digests: of each part, as it is read back (state.eval_params and state.extra). last: no save follows, so a
        failure is an error and no warning.

        Raises:
          OSError: the `last` checkpoint could not be written.
        """
        facts, leaves = {"frozen": self._frozen, "digests": dict(digests)}, _saved(state)
        with jax.transfer_guard("allow"):
            self._settle()
            failed, self._failure = self._failure is not None, None
            try:
                with self._naming_what_failed(), _synchronous():
                    if failed:
                        saving.remove_unfinished(self.directory)  # what it could not, or was still written, then
                        self._orbax.reload()  # it no longer knows the old ones that the failed save was to replace
                    saving.check_disk(self.directory, leaves)
                    self._preserved.steps = self._kept(step)
                    response = self._orbax.save_checkpointables_async(step, {_ITEM: leaves}, custom_metadata=facts)
                    self._saving = saving.Saving(response, self._naming_what_failed, quiet=last)
            except OSError as error:
                if last:
                    raise
                self._failure = error
                saving.warn(error)

    def _settle(self, quiet: bool = False, agree: bool = True) -> None:
        """Waits for the save under way. quiet: whoever calls tells of its failure. agree: all processes call it."""
        if self._saving is not None:
            self._failure = self._saving.wait(quiet)
            self._saving = None
            with contextlib.suppress(ValueError, OSError):  # which is that failure again
                self._orbax.wait()
        failed = self._failure is not None
        if together.any_of(failed) if agree else failed:
            self._failure = self._failure or OSError(f"{self.directory}: another process could not write its part")
            saving.remove_unfinished(self.directory)

    def _kept(self, new: int) -> set[int]:
        """Steps of checkpoints that stay once that of step `new` is there, as process 0 finds them."""
        steps = sorted({*_steps(self.directory), new})
        kept = self._keep(steps) if jax.process_index() == 0 else ()
        chosen = together.first(np.array([step in kept for step in steps]))
        return {step for step, stays in zip(steps, chosen, strict=True) if stays}

    @contextlib.contextmanager
    def _naming_what_failed(self, directory: Path | None = None) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, *paths.errors(self.directory)) as error:  # a full disk is tensorstore's ValueError
            raise OSError(
                f"{directory or self.directory}: a checkpoint could not be written; the finished ones stay, and the "
                f"same command goes on from the newest: {disk.reason(error)}"
            ) from error

    def restore(self, step: int, abstract: TrainState) -> TrainState:
        """The state of `step`, laid out as `abstract` says; the mesh may differ from the one that wrote it.

        Raises:
          Damaged: on all processes where it is damaged for one.
          ValueError: the leaves differ; lists every missing, extra and mis-shaped one.
        """
        state, own = None, None
        try:
            state = self._restored(step, abstract)
        except damage.Damaged as error:
            own = error
        if together.any_of(own is not None):
            raise own or damage.told(self.directory / str(step), "as another process finds, and says")
        return state

    def _restored(self, step: int, abstract: TrainState) -> TrainState:
        directory = self.directory / str(step)
        stored, custom = _metadata(directory)
        facts = damage.facts(directory, custom)
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


@contextlib.contextmanager
def _synchronous() -> Iterator[None]:
    """Orbax makes folders at once: where it cannot, its threads would wait for them for five minutes."""
    context = ocp.Context()
    context.asynchronous.create_directories_asynchronously = False
    with saving.undisturbed(), context:
        yield


class _Preserved:
    """Orbax's policy: the checkpoints of `steps` stay."""

    steps: Collection[int] = ()

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> list[bool]:
        return [each.step in self.steps for each in checkpoints]


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
    leaves, custom = _metadata(directory)
    facts = damage.facts(directory, custom)
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


def check_digests(workdir: str | Path, step: int, digests: Mapping[str, str]) -> None:
    """Raises ValueError where `digests`, of the parts as they were read from `step`, are not those that were saved."""
    found = stored(workdir, step)
    for part, value in digests.items():  # no checksum covers large arrays in their files
        if found.digests[part] != value:
            raise damage.told(found.directory, f"the weights of part {part} are not those that were saved")


def leaves(workdir: str | Path, step: int) -> dict[str, np.ndarray]:
    """All that the checkpoint of `step` holds by path, optimizer and all, on the host; typed keys as their data."""
    directory = _checkpoints(workdir) / str(step)
    place = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    wanted = {
        path: jax.ShapeDtypeStruct(tuple(leaf.shape), leaf.dtype, sharding=place)
        for path, leaf in _metadata(directory)[0].items()
    }
    found = _load(directory, wanted)
    return {
        path: np.asarray(jax.random.key_data(x) if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key) else x)
        for path, x in found.items()
    }


def steps(workdir: str | Path) -> list[int]:
    """Of all finished checkpoints in `workdir`, oldest first."""
    return sorted(_steps(_checkpoints(workdir)))


def set_aside(workdir: str | Path, step: int) -> Path:
    """Moves the checkpoint of `step` out of the way; its new place. Every process must call it."""
    place = paths.at(workdir) / "damaged" / str(step)
    if jax.process_index() == 0:
        place.parent.mkdir(parents=True, exist_ok=True)
        tries = (place.with_name(f"{step}-{number}") for number in itertools.count(2))
        while place.exists():
            place = next(tries)
        paths.translated(place, lambda: (_checkpoints(workdir) / str(step)).rename(place))
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


def _checkpoints(workdir: str | Path) -> Path:
    disk.check_no_pattern(workdir)
    return paths.at(workdir) / "checkpoints"


def _frozen(workdir: str | Path, name: str) -> Path:
    return paths.at(workdir) / "frozen" / name


def _find(directory: Path, step: int | None) -> int:
    """`step`, or the newest finished step, of `directory`."""
    found = newest(directory.parent) if step is None else step
    if found and (directory / str(found)).is_dir():
        return found
    names = sorted(entry.name for entry in directory.iterdir()) if directory.is_dir() else []
    wanted = "finished checkpoint" if step is None else f"checkpoint of step {step}"
    raise ValueError(f"{directory}: no {wanted}; found {names or 'nothing'}")


def _metadata(directory: Path) -> tuple[dict[str, Any], Any]:
    """Shape and dtype of every leaf of a checkpoint, by path, and what was saved beside it."""
    if not directory.is_dir():
        raise ValueError(f"{directory}: not found; restore it, or train the run anew")
    found = damage.reading(directory, lambda: ocp.checkpointables_metadata(paths.whole(directory)))
    leaves = (found.metadata or {}).get(_ITEM)
    if not leaves or not isinstance(leaves, dict):
        raise damage.told(directory, f"no folder {_ITEM}, or nothing in it")
    if not all(hasattr(leaf, "shape") and hasattr(leaf, "dtype") for leaf in leaves.values()):
        raise damage.told(directory, "its metadata has leaves that are no arrays")
    return leaves, found.custom_metadata


def _load(directory: Path, wanted: Mapping[str, Any]) -> dict[str, Array]:
    """Arrays laid out as `wanted` says. A thirtieth of it all is read at a time, or the largest array where that is
    more: decoded and on its way to its device it is there up to three times."""
    stored = _metadata(directory)[0]
    sizes = [math.prod(stored[path].shape) * stored[path].dtype.itemsize for path in wanted]
    leaves = {path: wanted.get(path, ...) for path in stored}  # "..." skips a leaf
    context = ocp.Context()
    context.memory.read_concurrent_bytes = max(*sizes, sum(sizes) // 30, _LEAST_READ)

    def load() -> dict[str, Array]:
        with context:
            found = ocp.load_checkpointables(paths.whole(directory), {_ITEM: leaves})[_ITEM]
        return {path: found[path] for path in wanted}

    return damage.reading(directory, load)


__all__ = [
    "Checkpointer", "Stored", "check_digests", "check_leaves", "leaves", "newest", "set_aside", "steps", "stored",
]
