"""Whether the run that a config describes can begin or go on: fields, mesh, parts' sources, work directory."""

from pathlib import Path

from ml_collections import ConfigDict

from data_pipeline import files
from launch.checks.findings import FAIL, OK, Finding, told
from launch.runs import build, changes, resolve, skeleton, sources, training
from xdancer_jax import paths, sharding
from xdancer_jax.pretrained import table
from xdancer_jax.pretrained.kinds import SOURCES
from xdancer_jax.train import checkpoint, flock, record


def fields(config: ConfigDict) -> Finding:
    """Values in their ranges. Raises ValueError."""
    resolve.check(config)
    build.optimizer(config)
    return Finding("config", OK, f"stage {config.name}, {config.steps} steps, batch {config.batch_size}")


def mesh(config: ConfigDict) -> Finding:
    """Over all devices of all processes. Raises ValueError where it does not fit them, or not the batch."""
    made, rules = sharding.make_mesh(config.mesh), build.rules(config)
    sharding.batch_sharding(made, rules, config.batch_size)
    ways = sharding.Place(made, rules).ways
    if config.accumulate > 0:  # the check of fields tells it
        training.check_batch(config, ways)
    sharding.rows(made, rules)
    axes = ", ".join(f"{name} {size}" for name, size in made.shape.items() if size > 1) or "one device"
    return Finding("mesh", OK, f"{axes}; {config.batch_size // ways} of {config.batch_size} examples a device")


def workdir(config: ConfigDict, directory: str, first: bool) -> Finding:
    """New, or of a run that these settings go on with. `first`: this process may look at its lock.

    Raises ValueError for another run's, another stage's, a damaged one, and one in which another process trains.
    """
    if first and not paths.in_store(directory) and (Path(directory) / "lock").exists():
        told_to_wait = "is training there; wait until it has ended, or give another --workdir"
        with flock.alone(Path(directory) / "lock", told_to_wait):
            pass
    if not record.exists(directory):
        return Finding("work dir", OK, f"{directory}: no run yet, begins at step 0")
    before = record.read(directory, config.name)
    training.check_goes_on(directory, before)
    step = checkpoint.newest(directory)
    if not step:
        return Finding("work dir", OK, f"{directory}: a run without a checkpoint, begins anew")
    begun = sources.config_of(directory, before)
    skeleton.check(directory, begun)
    changes.check(directory, changes.of_config(begun, config), ())
    checkpoint.stored(directory)
    if step >= config.steps:
        return Finding("work dir", OK, f"{directory}: done, step {step} of {config.steps}; raise config.steps for more")
    return Finding("work dir", OK, f"{directory}: goes on from step {step} of {config.steps}")


def parts(config: ConfigDict, directory: str | None) -> Finding | None:
    """Every source of weights, and that their models are this config's; none of a run that has its weights already.

    Raises ValueError for the latter.
    """
    if _begun(directory) is not None:
        return None
    wrong = []
    for name in config.parts:
        try:
            _look(config, name)
        except (ValueError, OSError, ImportError) as error:
            field = f"config.parts.{name}.source"
            wrong.append(told(error) if field in told(error) else f"{field}: {told(error)}")
    if wrong:
        return Finding("parts", FAIL, "; ".join(wrong), "give sources that are there")
    try:
        resolve.check(config)
    except ValueError:  # the check of fields tells it
        return None
    found = sources.parts(resolve.resolve(config))
    return Finding("parts", OK, ", ".join(f"{name} ({config.parts[name].source})" for name in found))


def _look(config: ConfigDict, name: str) -> None:
    """Raises ValueError or OSError for a source that is not there."""
    kind, _, where = sources.text(config, name).partition(":")
    if kind == "run":
        sources.read_config(where)
        checkpoint.stored(where)
    elif kind in SOURCES and name in SOURCES[kind]:
        files.check_here(where)
        table.opened(SOURCES[kind][name], where)


def resolved(config: ConfigDict, directory: str | None) -> ConfigDict | None:
    """The config with what it names, as a run in `directory` has it; None where other checks tell what is wrong."""
    try:
        begun = _begun(directory)
        return resolve.resolve(config, begun.earlier if begun is not None else None)
    except (ValueError, OSError, ImportError):
        return None


def _begun(directory: str | None) -> ConfigDict | None:
    """The config of the run that lies there and has weights, if one does; a damaged one is told by `workdir`."""
    try:
        if directory is None or not record.exists(directory) or not checkpoint.newest(directory):
            return None
        return sources.read_config(directory)
    except (ValueError, OSError, ImportError):
        return None


__all__ = ["fields", "mesh", "parts", "resolved", "workdir"]
