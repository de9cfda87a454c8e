"""Whether a config read back from a run has fields of the kinds that configs/ gives them: files get damaged."""

import copy
import functools
import importlib
from collections.abc import Mapping
from typing import Any, Final

from ml_collections import ConfigDict

from launch import stages

# Fields that runs of earlier versions lack -> what those runs did.
_ADDED: Final = {
    "data.corrupt": "stop", "data.tokens": "", "data.latents": "", "data.embeddings": "",
    "data.augment": {}, "data.augment.flip": 0.0, "data.augment.stretch": 0.0, "data.augment.crop": 0.0,
    "data.augment.colour": 0.0,
    "sampler.solver": "ddim", "sampler.weights": "uniform", "sampler.shift": False, "sampler.windows_at_once": 1,
    "objective.eval_buckets": 4, "model.image_encoder.framing": "pad",
    "loss.velocity_weight": 0.0, "loss.acceleration_weight": 0.0,
}


def completed(config: Mapping[str, Any]) -> dict[str, Any]:
    """A resolved config (plain dicts), also of an earlier version, with the fields that came since; configs of earlier
    stages in it likewise. What is no config is left as it is."""
    found = copy.deepcopy(dict(config))
    needed = _kinds(found["name"])[1] if found.get("name") in stages.names() else set()
    for field, value in _ADDED.items():
        *tables, name = field.split(".")
        place = functools.reduce(lambda at, table: at.get(table) if isinstance(at, dict) else None, tables, found)
        if field in needed and isinstance(place, dict):
            place.setdefault(name, copy.copy(value))
    if isinstance(found.get("earlier"), dict):
        found["earlier"] = {
            part: completed(described) if isinstance(described, dict) else described
            for part, described in found["earlier"].items()
        }
    return found


def check(config: Mapping[str, Any], prefix: str = "config") -> None:
    """Raises ValueError, which names the field, for a resolved config (plain dicts) that is not of its stage's kinds.

    Fields that a stage's variants do not have are left to whoever takes them.
    """
    name = config.get("name")
    if name not in stages.names():
        raise ValueError(f"{prefix}.name is {name!r}, not one of {stages.names()}")
    known, needed = _kinds(name)
    found = _flat(config)
    for field, value in found.items():
        kinds = known.get(field)
        if kinds and not _fits(value, kinds):
            raise ValueError(f"{prefix}.{field} is of type {type(value).__name__}, not {' or '.join(sorted(kinds))}")
    missing = sorted(needed - found.keys())
    if missing:
        raise ValueError(f"{prefix}.{missing[0]} is missing")
    _check_resolved(config, prefix)


def _check_resolved(config: Mapping[str, Any], prefix: str) -> None:
    """What resolve.resolve adds."""
    skeleton, earlier = config.get("skeleton", {}), config.get("earlier", {})
    parts = skeleton.get("parts", ()) if isinstance(skeleton, Mapping) else None
    if not isinstance(parts, (list, tuple)) or not all(
        isinstance(pair, (list, tuple)) and len(pair) == 2 and isinstance(pair[0], str)
        and isinstance(pair[1], (list, tuple)) and all(isinstance(joint, int) for joint in pair[1]) for pair in parts
    ) or (skeleton and skeleton.keys() != {"joints", "parts"}):
        raise ValueError(f"{prefix}.skeleton is no skeleton")
    if "earlier" not in config:
        raise ValueError(f"{prefix}.earlier is missing")
    if not isinstance(earlier, Mapping):
        raise ValueError(f"{prefix}.earlier is of type {type(earlier).__name__}, not dict")
    for part, described in earlier.items():
        if not isinstance(described, Mapping):
            raise ValueError(f"{prefix}.earlier.{part} is of type {type(described).__name__}, not dict")
        check(described, f"{prefix}.earlier.{part}")


@functools.cache
def _kinds(name: str) -> tuple[dict[str, set[str]], set[str]]:
    """({field: kinds that it has in any variant}, fields that every variant has) of stage `name`."""
    module = importlib.import_module(f"configs.{name}")
    found = [_flat(module.get_config(variant)) for variant in module.VARIANTS]
    kinds: dict[str, set[str]] = {}
    for fields in found:
        for field, value in fields.items():
            kinds.setdefault(field, set()).add(_kind(value))
    return kinds, set.intersection(*(set(fields) for fields in found))


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values by dotted name, tables among them, without what resolve.resolve adds."""
    found = {}
    for name, value in config.items():
        if prefix == "" and name in ("earlier", "skeleton"):
            continue
        found[prefix + name] = value
        if isinstance(value, (Mapping, ConfigDict)):
            found |= _flat(value, f"{prefix}{name}.")
    return found


def _kind(value: Any) -> str:
    if isinstance(value, (Mapping, ConfigDict)):
        return "dict"
    return "list" if isinstance(value, (list, tuple)) else type(value).__name__


def _fits(value: Any, kinds: set[str]) -> bool:
    kind = _kind(value)
    if kind == "list" and any(_kind(item) in ("dict", "NoneType") for item in value):
        return False
    return kind in kinds or "NoneType" in kinds or (kind == "int" and "float" in kinds)


__all__ = ["check", "completed"]
