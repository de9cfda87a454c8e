"""Where the weights of a run's parts come from: what a config's `parts.NAME.source` says becomes train.parts.Part."""

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import flax.linen as nn
from etils.epath import Path
from ml_collections import ConfigDict

from data_pipeline import files
from launch import stages
from launch.runs import kinds, skeleton
from xdancer_jax.pretrained import table
from xdancer_jax.pretrained.kinds import SOURCES
from xdancer_jax.train import checkpoint, disk, record
from xdancer_jax.train.parts import Part, Parts
from xdancer_jax.typing import Array

_Made = TypeVar("_Made")
# Fields of a module that shape no weight and change no meaning of one.
_FREE = ("dtype", "param_dtype", "remat", "dropout", "temporal", "parent", "name")


def text(config: ConfigDict, part: str) -> str:
    """The source of a part, with "start" as the run that it stands for. Raises ValueError for an empty one."""
    source = config.parts[part].source
    if source == "start":
        if not config.start:
            raise ValueError(
                f'config.start is empty, and config.parts.{part}.source is "start": give the work directory of the run '
                "to start from, --config.start=DIR"
            )
        return f"run:{config.start}"
    if not source:
        raise ValueError(
            f"config.parts.{part}.source is empty: stage {config.name} stands on a trained {part}; give its work "
            f"directory, --config.parts.{part}.source=run:DIR"
        )
    return source


def earlier(config: ConfigDict, part: str, stage_name: str) -> ConfigDict:
    """The config that describes a part which another stage trains: of the run that it comes from, else of the variant
    that the config names.

    Raises:
      ValueError: see `text`, and read_config; a run that has no such part.
    """
    kind, _, where = text(config, part).partition(":")
    if kind != "run":
        described = importlib.import_module(f"configs.{stage_name}").get_config(config.parts[part].variant)
        for fields in described.parts.values():
            fields.source = "random"
        below = stages.find(stage_name).earlier(described)
        described.earlier = ConfigDict({name: earlier(described, name, stage) for name, stage in below.items()})
        return described
    found = read_config(where)
    if found.name == stage_name:
        return found
    if part not in found.earlier:
        raise ValueError(f"config.parts.{part}.source: {where} is a run of stage {found.name} without {part}")
    return found.earlier[part]


def parts(config: ConfigDict) -> Parts:
    """What becomes of every part of a resolved config's model, with the sources that are to be read.

    Raises:
      ValueError: an unknown source, one that does not exist or holds another model.
    """
    found = {}
    for name, module in stages.find(config.name).modules(config).items():
        kind, _, where = text(config, name).partition(":")
        if kind not in _SOURCES or (kind == "random") == bool(where):
            raise ValueError(
                f"config.parts.{name}.source={config.parts[name].source!r}: give one of "
                f'"random", "start", "run:DIR", "part:NAME", {_PUBLIC}'
            )
        found[name] = dataclasses.replace(fate(config, name), **_SOURCES[kind](config, name, module, where))
    return found


def fate(config: ConfigDict, name: str) -> Part:
    """What becomes of part `name`, without a source: of a run that has its weights already."""
    fields = config.parts[name]
    return Part(tuple(fields.trainable), fields.learning_rate, fields.dtype or config.dtype)


def _random(config: ConfigDict, name: str, module: nn.Module, where: str) -> dict[str, Any]:
    return {}


def _copy(config: ConfigDict, name: str, module: nn.Module, where: str) -> dict[str, Any]:
    return {"copy": where}


def _run(config: ConfigDict, name: str, module: nn.Module, where: str) -> dict[str, Any]:
    """A part of a run, which must be of the same model."""
    theirs = read_config(where)
    known = described(where, lambda: stages.find(theirs.name).modules(theirs))
    if name not in known:
        raise ValueError(f"config.parts.{name}.source: {where} is a run of stage {theirs.name} without {name}")
    stored = checkpoint.stored(where)
    if name not in stored.digests:
        raise ValueError(
            f"config.parts.{name}.source: {where} was converted from public weights (launch.convert) and holds "
            f"{', '.join(sorted(stored.digests))} alone"
        )
    _check_same(name, where, module, known[name])
    if name == "unet" and theirs.name == config.name and not config.parts.unet.trainable:
        _check_noise(config, where, theirs)
    lacks = record.read(where).get("lacks", ())  # what a public file has nothing of stays as it is made

    def read(wanted: Mapping[str, Any]) -> Mapping[str, Array]:
        return stored.read({path: leaf for path, leaf in wanted.items() if path not in lacks})

    return {"read": read, "digest": stored.digests[name]}


def _public(config: ConfigDict, name: str, module: nn.Module, where: str) -> dict[str, Any]:
    """A public weight file, of the sizes that this config has."""
    kind = text(config, name).partition(":")[0]
    field = f"config.parts.{name}.source={kind}:{where}"
    if name not in SOURCES[kind]:
        raise ValueError(f"{field}: only part {' or '.join(SOURCES[kind])} can start from {kind}:")
    files.check_here(where)
    found, own = table.opened(SOURCES[kind][name], where), _fields(module)
    changed = [
        f"{field} {value!r} there, {own[field]!r} here"
        for field, value in found.fields.items() if field in own and own[field] != value
    ]
    if changed:
        raise ValueError(f"{field}: {found.path} holds another {name}: {', '.join(changed)}; see config.model")
    return {"read": found.read}


_SOURCES: dict[str, Callable[..., dict[str, Any]]] = {
    "random": _random, "part": _copy, "run": _run, **dict.fromkeys(SOURCES, _public)
}
_PUBLIC = ", ".join(f'"{kind}:FILE|DIR"' for kind in SOURCES)


def _check_same(name: str, where: str, ours: nn.Module, theirs: nn.Module) -> None:
    """Raises ValueError where two modules differ in what their weights mean."""
    if type(ours) is not type(theirs):
        raise ValueError(
            f"config.parts.{name}.source: {where} has a {type(theirs).__name__} as {name}, this config a "
            f"{type(ours).__name__}; give another source, such as random"
        )
    before, here = _fields(theirs), _fields(ours)
    changed = [
        f"{field} {before[field]!r} there, {value!r} here" for field, value in here.items() if before[field] != value
    ]
    if changed:
        raise ValueError(f"config.parts.{name}.source: {where} holds another {name}: {', '.join(changed)}")


def _check_noise(config: ConfigDict, where: str, theirs: ConfigDict) -> None:
    """Raises ValueError where a frozen denoiser would see other noise than it learnt to take away."""
    before, here = ({**each.schedule, "prediction": each.objective.prediction} for each in (theirs, config))
    changed = [f"{field} {before[field]!r} there, {value!r} here" for field, value in here.items()
               if before[field] != value]  # fmt: skip
    if changed:
        raise ValueError(
            f"config.parts.unet.source: {where} was trained with other noise: {', '.join(changed)}; give "
            "config.schedule and config.objective.prediction as there, or let it train (config.parts.unet.trainable)"
        )


def _fields(module: Any) -> dict[str, Any]:
    """Fields that say what the weights mean, those of a layout inside among them."""
    found = {}
    for field in dataclasses.fields(module):
        value = getattr(module, field.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, nn.Module):
            found |= _fields(value)
        elif field.name not in _FREE and not callable(value):  # a convolution's initialisers are functions
            found[field.name] = value
    return found


def read_config(workdir: str | Path, stage: str | None = None) -> ConfigDict:
    """The resolved config of the run in `workdir`, of this skeleton. Raises ValueError, see train.record.read."""
    config = config_of(workdir, record.read(workdir, stage))
    skeleton.check(workdir, config)
    return config


def config_of(workdir: str | Path, content: dict[str, Any]) -> ConfigDict:
    """The resolved config in the `content` of a run's config.json. Raises ValueError for fields of other kinds."""
    try:
        found = kinds.completed(content["config"])
        kinds.check(found)
        return as_config(found)
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # ConfigDict's, for names that it refuses
        raise record.damaged(workdir, disk.reason(error)) from error


def described(workdir: str | Path, make: Callable[[], _Made]) -> _Made:
    """`make()`, a model of the run in `workdir`. Raises ValueError for whatever it raises: its config's fault."""
    try:
        return make()
    except Exception as error:  # flax, jax and the modules themselves have no list of what a mad number leads to
        raise ValueError(
            f"{Path(workdir) / 'config.json'}: not a config of this version ({disk.reason(error)}); restore it "
            "or train anew"
        ) from error


def as_config(content: dict[str, Any]) -> ConfigDict:
    """A config read back from JSON: its lists become the tuples that they were."""

    def tuples(value):
        if isinstance(value, dict):
            return {name: tuples(item) for name, item in value.items()}
        return tuple(tuples(item) for item in value) if isinstance(value, (list, tuple)) else value

    return ConfigDict(tuples(content))
