"""The first way to train a config on a slice that fits: what costs time is tried before what costs more."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from ml_collections import ConfigDict

from launch.compiling import plans, slices

Changes = dict[str, Any]  # fields of the config


def search(
    config: ConfigDict, topology: str, tell: Callable[[str], None], cache: str | None = None
) -> dict[str, Any]:
    """The plan of the first of `candidates` that fits, with its changes; of the last one, where none does.

    What a candidate cannot be compiled for (a batch that does not divide, a memory that the compiler runs out of) is
    told and passed over. Raises ValueError where that is all of them; see also plans.plan.
    """
    found, failure = None, None
    for changes in candidates(config, len(slices.devices_of(topology))):
        name = " ".join(f"--config.{field}={value}" for field, value in changes.items()) or "the config as it is"
        tell(f"{name}: planning")
        try:
            found = plans.plan(_changed(config, changes), topology, cache=cache, tell=tell) | {"changes": changes}
        except (ValueError, RuntimeError) as error:  # the latter XLA's: RESOURCE_EXHAUSTED
            failure = error
            tell(f"{name}: {' '.join(str(error).split())[:300]}")
            continue
        tell(f"{name}: {'fits' if found['fits'] is not False else 'does not fit'}")
        if found["fits"] is not False:
            return found
    if found is None:
        raise ValueError(f"--topology={topology}: nothing could be compiled; the last: {failure}") from failure
    return found


def candidates(config: ConfigDict, devices: int) -> Iterator[Changes]:
    """Nothing, remat, accumulation in more and more parts, then the same with weights split over all devices, then with
    the frames of a clip split over those that are more than clips."""
    remat = "model.unet.remat" if "unet" in config.model else "model.remat"
    tables: list[Changes] = [{}]
    if config.sharding == "data":
        tables.append({"sharding": "fsdp", "mesh.data": 1, "mesh.fsdp": -1})
    ways = devices // config.batch_size
    if ways > 1 and config.data.get("frames", 1) % ways == 0 and config.sharding != "fsdp_frames":
        tables.append({"sharding": "fsdp_frames", "mesh.data": 1, "mesh.fsdp": -1, "mesh.tensor": ways})
    parts = [config.accumulate * 2**power for power in range(config.batch_size.bit_length())]
    parts = [count for count in parts if config.batch_size % count == 0]
    for table, accumulate in itertools.product(tables, parts):
        for policy in dict.fromkeys((_value(config, remat), "full")):
            yield {
                **({} if policy == _value(config, remat) else {remat: policy}),
                **({} if accumulate == config.accumulate else {"accumulate": accumulate}), **table,
            }


def _value(config: ConfigDict, field: str) -> Any:
    """Of a dotted field."""
    for name in field.split("."):
        config = config[name]
    return config


def _changed(config: ConfigDict, changes: Changes) -> ConfigDict:
    config = config.copy_and_resolve_references()
    config.update_from_flattened_dict(changes)
    return config


__all__ = ["candidates", "search"]
