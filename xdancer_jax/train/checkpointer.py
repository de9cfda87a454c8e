"""Writes the checkpoints of a run, and goes on from them (train.checkpoint says how they lie)."""

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from etils.epath import Path
from orbax.checkpoint import v1 as ocp

from xdancer_jax import paths
from xdancer_jax.train import checkpoint, damage, digest, disk, saving, together, trees
from xdancer_jax.train.leaves import check_leaves
from xdancer_jax.train.retention import Keep
from xdancer_jax.train.state import TrainState


class Checkpointer:
    """Writes and reads the checkpoints of one run; a context manager that waits for the last write.

    Every method must be called by every process.
    """

    def __init__(self, workdir: str | Path, keep: Keep):
        """At each save keeps the checkpoints that `keep` names; what an interrupted write has left is removed."""
        self.directory, self._workdir, self._frozen = checkpoint.folder(workdir), paths.at(workdir), ""
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
            for step in checkpoint.steps(self._workdir):  # it reads their metadata
                damage.facts(self.directory / str(step), checkpoint.metadata(self.directory / str(step))[1])
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
        path = checkpoint.frozen_folder(self._workdir, self._frozen)
        if path.is_dir() and saving.finished(path):
            return
        with self._naming_what_failed(path.parent), _synchronous(held=saving.share(leaves)):
            if jax.process_index() == 0 and path.parent.is_dir():  # left by a process that was killed
                saving.remove_unfinished(path.parent)
            saving.check_disk(path.parent, leaves)
            ocp.save_checkpointables(paths.whole(path), {checkpoint.ITEM: leaves})

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
                    response = self._orbax.save_checkpointables_async(
                        step, {checkpoint.ITEM: leaves}, custom_metadata=facts
                    )
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
        steps = sorted({*checkpoint.steps(self._workdir), new})
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
        stored, custom = checkpoint.metadata(directory)
        facts = damage.facts(directory, custom)
        wanted, frozen = _saved(abstract), trees.by_path(abstract.frozen)
        frozen = {f"params/{path}": leaf for path, leaf in frozen.items()}
        check_leaves(directory, stored, wanted)
        self._frozen = facts["frozen"]
        leaves = checkpoint.load(directory, wanted)
        state = jax.tree.unflatten(
            jax.tree.structure(abstract.replace(frozen=None)), [leaves[path] for path in wanted]
        )
        if not frozen:
            return state.replace(frozen=abstract.frozen)
        path = checkpoint.frozen_folder(self._workdir, self._frozen)
        check_leaves(path, checkpoint.metadata(path)[0], frozen)
        kept = checkpoint.load(path, frozen)
        return state.replace(frozen=jax.tree.unflatten(jax.tree.structure(abstract.frozen), kept.values()))


@contextlib.contextmanager
def _synchronous(held: int | None = None) -> Iterator[None]:
    """Orbax makes folders at once: where it cannot, its threads would wait for them for five minutes.

    held: bytes of arrays that it copies and writes at a time; all of them if not given."""
    context = ocp.Context()
    context.asynchronous.create_directories_asynchronously = False
    context.memory.write_concurrent_bytes = context.memory.transfer_concurrent_bytes = held
    with saving.undisturbed(), context:
        yield


class _Preserved:
    """Orbax's policy: the checkpoints of `steps` stay."""

    steps: Collection[int] = ()

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> list[bool]:
        return [each.step in self.steps for each in checkpoints]


def _saved(state: TrainState) -> dict[str, Any]:
    return trees.by_path(state.replace(frozen=None))


__all__ = ["Checkpointer"]
