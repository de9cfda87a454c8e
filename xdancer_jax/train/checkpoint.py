"""Checkpoints: the one file that knows Orbax.

A work directory holds config.json ({"stage", "config"}) and checkpoints/<step>/. A checkpoint is a flat dict from
"/"-joined path ("params/encoder/kernel") to array, so that reading one needs no model, optimizer or mesh.
"""

import contextlib
import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp

from xdancer_jax.train import trees
from xdancer_jax.train.state import TrainState
from xdancer_jax.typing import Extra, Params

_ITEM = "state"  # the checkpointable's name inside Orbax


class Checkpointer:
    """Writes and reads the checkpoints of one run; a context manager that waits for the last write.

    Every method must be called by every process.
    """

    def __init__(self, workdir: str | Path, keep: int):
        """Keeps the `keep` newest checkpoints, and removes what an interrupted write has left."""
        self.directory = _checkpoints(workdir)
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

    @property
    def latest(self) -> int | None:
        """Step of the newest finished checkpoint."""
        return None if self._orbax.latest is None else self._orbax.latest.step

    def save(self, step: int, state: TrainState) -> None:
        """Starts to write `state`; returns once it is copied, so that it may be donated.

        Raises:
          OSError: this checkpoint or the one before could not be written; `__exit__` raises it too.
        """
        empty = trees.empty_dicts(state.params, "params") + trees.empty_dicts(state.extra, "extra")
        with jax.transfer_guard("allow"), self._naming_what_failed():
            self._orbax.save_checkpointables_async(
                step, {_ITEM: trees.by_path(state)}, custom_metadata={"empty": empty}
            )

    @contextlib.contextmanager
    def _naming_what_failed(self):
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
        wanted = trees.by_path(abstract)
        check_leaves(self.directory / str(step), _stored(self._orbax, step), wanted)
        leaves = self._orbax.load_checkpointables(step, {_ITEM: wanted})[_ITEM]
        return jax.tree.unflatten(jax.tree.structure(abstract), [leaves[path] for path in wanted])


@dataclasses.dataclass(frozen=True)
class Loaded:
    """A trained stage, read back as numpy arrays. `params` are the averaged ones where the run kept them."""

    config: dict[str, Any]
    step: int
    params: Params
    extra: Extra


def load(workdir: str | Path, stage: str, step: int | None = None) -> Loaded:
    """Weights and config of a finished or running `stage` in `workdir`, at its newest checkpoint or at `step`.

    Raises:
      ValueError: no such directory, another stage's, or no finished checkpoint.
    """
    config = read_config(workdir, stage)
    step = _find(_checkpoints(workdir), step)
    with ocp.training.Checkpointer(_checkpoints(workdir).absolute()) as orbax:
        stored = _stored(orbax, step)
        wanted = [path for path in stored if path.split("/")[0] in ("params", "ema", "extra")]
        # A broadcast view stands for the shape and asks for numpy; "..." skips a leaf.
        abstract = {
            path: np.broadcast_to(np.empty((), meta.dtype), meta.shape) if path in wanted else ...
            for path, meta in stored.items()
        }
        leaves = orbax.load_checkpointables(step, {_ITEM: abstract})[_ITEM]
        empty = orbax.checkpointables_metadata(step).custom_metadata["empty"]
    weights = {path: leaves[path] for path in wanted if not path.startswith("ema/")}
    weights |= {path.replace("ema/", "params/", 1): leaves[path] for path in wanted if path.startswith("ema/")}
    tree = trees.nested(weights, empty)
    return Loaded(config, step, tree.get("params", {}), tree.get("extra", {}))


def check_resume(workdir: str | Path, stage: str, config: Mapping[str, Any]) -> int:
    """Step of the newest checkpoint from which a run of `stage` with `config` goes on in `workdir`; 0 to start anew.

    Raises:
      ValueError: `workdir` is another stage's, or its checkpoints hold the weights of other earlier stages
        (fields *_from) than `config` names.
    """
    if not (Path(workdir) / "config.json").exists():
        return 0
    before = read_config(workdir, stage)
    start = _newest(_checkpoints(workdir))
    for name in (name for name in config if name.endswith("_from") and start):
        if os.path.abspath(before.get(name, "")) != os.path.abspath(config[name]):
            raise ValueError(
                f"{name}={config[name]!r}: the checkpoints of {workdir} were trained with {before.get(name)!r} and "
                "hold its weights; give that, or another work directory"
            )
    return start


def write_config(workdir: str | Path, stage: str, config: Mapping[str, Any]) -> None:
    """Writes config.json (at once or not at all) from process 0.

    Raises:
      ValueError: `workdir` is another stage's.
    """
    path = Path(workdir) / "config.json"
    if path.exists():
        read_config(workdir, stage)
    if jax.process_index() == 0:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".tmp")
        unfinished.write_text(json.dumps({"stage": stage, "config": config}, indent=2) + "\n")
        os.replace(unfinished, path)


def read_config(workdir: str | Path, stage: str) -> dict[str, Any]:
    """The config that `workdir`'s run was started with; see load for errors."""
    content = _read(workdir, f"stage {stage!r}")
    if content["stage"] != stage:
        raise ValueError(f"{Path(workdir) / 'config.json'}: stage is {content['stage']!r}, expected {stage!r}")
    return content["config"]


def read_stage(workdir: str | Path) -> str:
    """Name of the stage that `workdir` holds; see load for errors."""
    return _read(workdir, "a stage")["stage"]


def _read(workdir: str | Path, wanted: str) -> dict[str, Any]:
    path = Path(workdir) / "config.json"
    if not path.parent.is_dir():
        raise ValueError(f"{path.parent}: no such directory; expected the work directory of {wanted}")
    if not path.exists():
        found = sorted(entry.name for entry in path.parent.iterdir())
        raise ValueError(f"{path}: not found; {path.parent} is no work directory, it holds {found[:8] or 'nothing'}")
    try:
        content = json.loads(path.read_text())
        return {"stage": content["stage"], "config": content["config"]}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not the config of a run ({error!r}); restore it or train anew") from error


def _checkpoints(workdir: str | Path) -> Path:
    return Path(workdir) / "checkpoints"


def _find(directory: Path, step: int | None) -> int:
    """`step`, or the newest finished step, of `directory`."""
    found = _newest(directory) if step is None else step
    if found and (directory / str(found)).is_dir():
        return found
    names = sorted(entry.name for entry in directory.iterdir()) if directory.is_dir() else []
    wanted = "finished checkpoint" if step is None else f"checkpoint of step {step}"
    raise ValueError(f"{directory}: no {wanted}; found {names or 'nothing'}")


def _newest(directory: Path) -> int:
    """The newest finished step of `directory`; 0 if there is none."""
    names = [entry.name for entry in directory.iterdir()] if directory.is_dir() else []
    # Orbax writes under another name, and renames what is finished to its step number.
    return max((int(name) for name in names if name.isdigit()), default=0)


def _stored(orbax: ocp.training.Checkpointer, step: int) -> dict[str, Any]:
    """Shape and dtype of every leaf of checkpoint `step`, by path. Raises ValueError where Orbax cannot tell."""
    found = orbax.checkpointables_metadata(step).metadata
    if not found or not found.get(_ITEM):
        raise ValueError(f"{orbax.directory}/{step}: a damaged checkpoint; remove it to go on from an earlier one")
    return found[_ITEM]


def check_leaves(path: Path, stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Holds the leaves of checkpoint `path` against what its config asks for; both by path, with shape and dtype.

    Raises:
      ValueError: lists every missing, extra and mis-shaped leaf.
    """
    problems = [f"missing {name}" for name in wanted if name not in stored]
    problems += [f"extra {name}" for name in stored if name not in wanted]
    for name, leaf in wanted.items():
        if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.eval_shape(jax.random.key_data, leaf)
        if name in stored and (tuple(stored[name].shape), stored[name].dtype) != (leaf.shape, leaf.dtype):
            found = f"{tuple(stored[name].shape)} {stored[name].dtype}"
            problems.append(f"mis-shaped {name}: {found} in the checkpoint, {leaf.shape} {leaf.dtype} expected")
    if problems:
        told = f"{path}: does not fit this run's config; give the one it was trained with, or train anew elsewhere:"
        raise ValueError("\n  ".join([told, *problems]))
