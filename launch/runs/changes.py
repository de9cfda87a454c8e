"""A run that goes on computes what it computed: which fields may differ from those that it was begun with."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from launch.shell import fields

# Fields that change nothing of what is computed, but where, how fast, how often something is looked at or kept. Where
# data and sources lie is free as well: their content is compared (training._facts).
FREE = re.compile(
    r"log_every|eval_every|eval_batches|samples|accumulate|guard\..*|telemetry\..*|compile_cache|checkpoint\..*|mesh\..*"
    r"|sharding|data\.(dir|replay_dir|tokens|latents|embeddings|workers|corrupt)|start"
    r"|model\.(unet\.)?remat|objective\.eval_buckets"
)

# What a run is; no flag lets these through.
FIXED = ("phase", "pose_control", "single_part")


def of_config(before: ConfigDict, config: ConfigDict) -> dict[str, tuple[Any, Any]]:
    """{field: (old, new)} of every field that differs and is not free. Steps are free under a constant schedule."""
    old, new = flat(before), flat(config)
    changed = {name: (old.get(name), new.get(name)) for name in old | new if old.get(name) != new.get(name)}
    if config.optimizer.schedule == before.optimizer.schedule == "constant":
        changed.pop("steps", None)
    return {name: pair for name, pair in changed.items() if not (FREE.fullmatch(name) or _from_runs(name, *pair))}


def _from_runs(name: str, old: Any, new: Any) -> bool:
    """Whether both are sources of a part in a run, whose digests are compared in place of their places."""
    kinds = {str(source).partition(":")[0] for source in (old, new)}
    return re.fullmatch(r"parts\.\w+\.source", name) is not None and kinds <= {"run", "start"}


def of_facts(before: Mapping[str, str], facts: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """{field: (old, new)} of digests that differ; what is not known now ("") cannot differ."""
    return {name: (before.get(name, ""), new) for name, new in facts.items() if new and before.get(name) != new}


def check(workdir: str | Path, changed: Mapping[str, tuple[Any, Any]], allowed: Sequence[str]) -> None:
    """Raises ValueError for changed fields that are not `allowed` or FIXED, all of them with old and new value."""
    refused = {name: pair for name, pair in changed.items() if name not in allowed or name in FIXED}
    if refused:
        told = "; ".join(f"{name}: {old!r} before, {new!r} now" for name, (old, new) in sorted(refused.items()))
        flags = " ".join(f"--allow_change={name}" for name in sorted(refused))
        way = "" if refused.keys() & set(FIXED) else f", or let it go on with the new ones by {flags}"
        raise ValueError(
            f"{workdir}: the run was begun with other settings: {told}; give those, or another --workdir{way}"
        )
    unused = sorted(set(allowed) - changed.keys())
    if unused:
        raise ValueError(f"--allow_change={unused[0]}: nothing of that name has changed; changed: {sorted(changed)}")


def flat(config: ConfigDict) -> dict[str, Any]:
    """Values by dotted name, without what `resolve` adds."""
    return {
        ".".join(path): value for path, value in fields.leaves(config)
        if path[0] not in ("earlier", "skeleton") and not isinstance(value, ConfigDict)
    }
