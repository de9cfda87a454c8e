"""A run is trained into its work directory, or goes on from its newest checkpoint, which needs no other directory."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict

from data_pipeline import sources as data_sets
from data_pipeline.feature_sets import FeatureSet
from launch import stages
from launch.figures import results, samples
from launch.runs import agreement, build, changes, computed, features, resolve, skeleton, sources, versions
from launch.shell import compile_cache, devices, on_demand, signals
from xdancer_jax import paths, sharding
from xdancer_jax.train import accounting, checkpoint, damage, hooks, lock, loop, packed, record, wandb_writer
from xdancer_jax.train.parts import Parts
from xdancer_jax.train.settings import Summary, Surroundings, Writer

_BEGAN = accounting.now()  # this module is imported as the command starts
_log = logging.getLogger(__name__)


def train(config: ConfigDict, workdir: str | Path, allow_change: Sequence[str] = ()) -> Summary:
    """Trains the stage of `config` (locked, not yet resolved) in `workdir`, or goes on from its newest checkpoint.

    One training at a time has a work directory (train/lock.py).

    allow_change: fields that may differ from those that the run was begun with.

    Raises:
      ValueError, FloatingPointError: see resolve.resolve, sources.parts, changes.check, features.check and loop.train;
        a run of another stage or skeleton; another training in `workdir`; processes that differ in what they were
        given.
    """
    agreement.check({
        "--workdir": str(workdir), "--allow_change": list(allow_change), "code": agreement.code_version(),
        "jax": jax.__version__, **{f"config.{name}": value for name, value in changes.flat(config).items()},
    })
    compile_cache.enable(str(workdir), config.compile_cache)
    with lock.held(workdir):
        while True:
            try:
                start, resolved, parts, content, heard = agreement.everywhere(
                    lambda: _prepared(config, workdir, allow_change)
                )
                agreement.check({"start step": start} | content["facts"])
                return _run(start, resolved, parts, content, workdir, heard)
            except damage.Damaged as error:
                _go_back(error, config, workdir)


def _go_back(error: damage.Damaged, config: ConfigDict, workdir: str | Path) -> None:
    """Sets the damaged checkpoint aside where config.checkpoint.on_damage allows it, else raises `error`."""
    if error.directory.parent != checkpoint.folder(workdir):
        raise error  # another run's, or frozen weights, which all checkpoints need
    if config.checkpoint.on_damage != "previous":
        raise ValueError(f"{error}, which --config.checkpoint.on_damage=previous does") from error
    place = checkpoint.set_aside(workdir, int(error.directory.name))
    before = checkpoint.newest(workdir)
    if jax.process_index() == 0:
        goes = f"goes on from step {before}" if before else "begins anew"
        _log.warning("warning: %s; it lies in %s now, and training %s", error, place, goes)


def _prepared(
    config: ConfigDict, workdir: str | Path, allow_change: Sequence[str]
) -> tuple[int, ConfigDict, Parts, dict[str, Any], FeatureSet | None]:
    """(step to go on from, resolved config, parts, rest of config.json, music features)."""
    before = record.read(workdir, config.name) if record.exists(workdir) else {}
    check_goes_on(workdir, before)
    newest = checkpoint.newest(workdir)
    start = newest if before else 0
    if start:
        config, parts, content = _go_on(config, workdir, before, start, allow_change)
    else:
        config = resolve.resolve(config)
        parts = sources.parts(config)
        changes.check(workdir, {}, allow_change)
        content = {"facts": _facts(config, parts), "changes": [], "starts": _starts([], 0)}
    computed.check(config, parts)
    return start, config, parts, content, features.check(config, workdir, start)


def check_goes_on(workdir: str | Path, before: Mapping[str, Any]) -> None:
    """Raises ValueError where the run in `workdir`, with what its config.json holds, was converted or packed: it has no
    optimizer."""
    if packed.file_of(workdir) or "lacks" in before:
        raise ValueError(
            f"{workdir}: holds weights to start from, and no training that could go on; give another --workdir, and "
            f"these as a source: --config.start={workdir}, or --config.parts.PART.source=run:{workdir}"
        )


def _run(
    start: int, config: ConfigDict, parts: Parts, content: dict[str, Any], workdir: str | Path,
    heard: FeatureSet | None,
) -> Summary:
    stage = stages.find(config.name).make(config)
    if set(stage.parts) != set(parts):
        raise ValueError(
            f"launch/stages/{config.name}.py: modules has the parts {sorted(parts)}, the stage {sorted(stage.parts)}; "
            "they must be the same"
        )
    mesh, rules = sharding.make_mesh(config.mesh), build.rules(config)
    evaluation = hooks.evaluation(
        stage, lambda: build.batches(config, config.data.eval_split, train=False), every=config.eval_every,
        batches=config.eval_batches, mesh=mesh, rules=rules,
    )
    surroundings = _surroundings(config, workdir)
    check_batch(config, sharding.Place(mesh, rules).ways)
    if heard and not start:
        features.write(workdir, heard)
    _, summary = loop.train(
        stage, build.optimizer(config), parts, lambda step: build.batches(config, config.data.train_split, step),
        build.settings(config), workdir=workdir,
        config={"stage": config.name, "config": config.to_dict(), **content}, start=start, mesh=mesh, rules=rules,
        hooks=[evaluation, samples.samples_hook(config, workdir, stage, mesh, rules, heard)], surroundings=surroundings,
    )
    return summary


def _surroundings(config: ConfigDict, workdir: str | Path) -> Surroundings:
    chips = [devices.chip(device) for device in jax.devices()]
    project, name = config.telemetry.wandb, Path(workdir).name

    def writers() -> list[Writer]:
        return [wandb_writer.WandbWriter(workdir, project, name, config.to_dict())] if project else []

    if project:
        wandb_writer.check()
    return Surroundings(
        listening=signals.deferred, evaluated=lambda: results.evaluated_steps(workdir),
        clips=lambda step: build.clips(config, step), answered=on_demand.answered,
        began=_BEGAN, peak_flops=sum(chip.flops for chip in chips) if all(chips) else None,
        memory=lambda: devices.memory(jax.local_devices()), writers=writers,
    )


def check_batch(config: ConfigDict, ways: int) -> None:
    """Raises ValueError for a batch that cannot be split over `ways` devices and config.accumulate parts."""
    unit = ways * config.accumulate
    if config.batch_size % unit:
        below = config.batch_size // unit * unit
        near = " or ".join(str(size) for size in (below, below + unit) if size)
        raise ValueError(
            f"config.batch_size={config.batch_size}: is split over {ways} devices and config.accumulate="
            f"{config.accumulate} parts, so it must be a multiple of {unit}: {near}"
        )


def left(workdir: str | Path) -> str:
    """What an interrupted run leaves, and how to go on."""
    step = checkpoint.newest(workdir)
    if not step:
        return f"no checkpoint is saved yet in {workdir}; the same command begins anew"
    return f"the checkpoint of step {step} is saved in {workdir}; the same command goes on from it"


def _go_on(
    config: ConfigDict, workdir: str | Path, before: dict[str, Any], start: int, allow_change: Sequence[str]
) -> tuple[ConfigDict, Parts, dict[str, Any]]:
    """(resolved config, parts, rest of config.json) of a run whose weights all lie in `workdir`."""
    for name in ("facts", "changes"):
        if name not in before:
            raise record.damaged(workdir, f"no {name}")
    begun = sources.config_of(workdir, before)
    skeleton.check(workdir, begun)
    changed = changes.of_config(begun, config)
    if changed.keys() & set(changes.FIXED):
        changes.check(workdir, changed, allow_change)
    config = resolve.resolve(config, begun.earlier)
    facts = _facts_now(config, begun)
    changed = changes.of_facts(before["facts"], facts) | changed
    changes.check(workdir, changed, allow_change)
    digests = checkpoint.stored(workdir).digests
    parts = {
        name: dataclasses.replace(sources.fate(config, name), digest=digests[name])
        for name in stages.find(config.name).modules(config)
    }
    told = [{"step": start, "field": name, "before": old, "now": new} for name, (old, new) in changed.items()]
    facts = before["facts"] | {name: value for name, value in facts.items() if value}
    starts = _starts(before.get("starts", []), start)
    return config, parts, {"facts": facts, "changes": before["changes"] + told, "starts": starts}


def _starts(before: list[dict[str, Any]], step: int) -> list[dict[str, Any]]:
    """What has computed the run, from which step on (runs/versions.py), with this start where that is another.

    Another Grain is a warning: the order of examples may be another from here on.
    """
    found = {"step": step, **versions.found()}
    last = before[-1] if before else {}
    if {**last, "step": step} == found:
        return before
    old, new = (each.get("packages", {}).get("grain") for each in (last, found))
    if old and old != new and jax.process_index() == 0:
        _log.warning("warning: grain %s before, %s now: the order of examples may be another from here on", old, new)
    return [*before, found]


def _facts(config: ConfigDict, parts: Parts) -> dict[str, str]:
    """Digests of what a run begins with, by the config field that names it."""
    digests = {f"parts.{name}.source": part.digest for name, part in parts.items() if part.digest}
    return digests | _fingerprints(config)


def _fingerprints(config: ConfigDict) -> dict[str, str]:
    """Of the data sets, by field."""
    names = [name for name in ("dir", "replay_dir") if config.data.get(name)]
    for name in names:
        paths.check_reachable(config.data[name])
    return {f"data.{name}": data_sets.fingerprint(config.data[name]) for name in names}


def _facts_now(config: ConfigDict, begun: ConfigDict) -> dict[str, str]:
    """As `_facts`, of a run that goes on. A source of weights that is not there any more is not needed either.

    Raises:
      ValueError: a source that is not there, and is not the one that the run was begun with: a slip of the pen.
    """
    found = _fingerprints(config)
    for name in config.parts:
        source, before = (_run_of(each, name) for each in (config, begun))
        if source and checkpoint.newest(source):
            found[f"parts.{name}.source"] = checkpoint.stored(source).digests.get(name, "")
        elif source and source != before:
            raise ValueError(
                f"config.parts.{name}.source: no trained run in {source}; give the source that the run was begun with, "
                f"{begun.parts[name].source!r}, which need not be there any more"
            )
    return found


def _run_of(config: ConfigDict, part: str) -> str:
    """Work directory of the run that a part comes from; "" for another source."""
    kind, _, where = config.parts[part].source.partition(":")
    return {"run": where, "start": config.start}.get(kind, "")
