"""What the devices of a training step send one another, from the compiled text.

As a module of its own it compiles steps: python -m benchmarks.measures.collective_bytes DEVICES STAGE:VARIANT,TABLE ...
"""

import importlib
import json
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax

from benchmarks.measures.found import Found, of_processes
from launch.compiling import plans
from launch.compiling.collectives import Collective, collectives
from launch.compiling.step import compiled, lowering
from launch.runs import resolve
from xdancer_jax.train import trees

# Axes over which 1, 2, 4 and 8 devices lie under each table.
MESHES = {
    "data": {1: {}, 2: {"data": 2}, 4: {"data": 4}, 8: {"data": 8}},
    "fsdp": {1: {}, 2: {"fsdp": 2}, 4: {"fsdp": 4}, 8: {"fsdp": 8}},
    "fsdp_tensor": {
        1: {}, 2: {"tensor": 2}, 4: {"fsdp": 2, "tensor": 2}, 8: {"data": 2, "fsdp": 2, "tensor": 2},
    },
}
_QUICK = {"xla_backend_optimization_level": 0}  # collectives are those of users' programs all the same


class Sizes(NamedTuple):
    """variants, as "stage:variant"; tables of configs/sharding.py; fake devices."""

    variants: tuple[str, ...] = ("motion:tiny", "tokenizer:tiny")
    tables: tuple[str, ...] = tuple(MESHES)
    devices: tuple[int, ...] = (1, 2, 4, 8)


BRIEF = Sizes(("tokenizer:tiny",), ("data",), (2,))


def measure(sizes: Sizes = Sizes()) -> Found:  # noqa: B008 (frozen)
    """One process for each number of fake devices; one device must send nothing."""
    figures: dict[str, Any] = {}
    steps = [f"{variant},{table}" for variant in sizes.variants for table in sizes.tables]
    for count in sizes.devices:
        (found,) = of_processes([["benchmarks.measures.collective_bytes", str(count), *steps]])
        figures |= {f"{step.replace(',', ' ')} {count}": each for step, each in zip(steps, found, strict=True)}
    told = ", ".join(f"{name} {each['megabytes_sent']:.2f} MB" for name, each in figures.items())
    alone = [each["megabytes_sent"] for each in figures.values() if each["devices"] == 1]
    return Found(f"sent by each device a step: {told}", "one device: nothing", not any(alone), figures)


def summed(found: Sequence[Collective]) -> dict[str, Any]:
    """Megabytes (10^6 bytes) that a device sends, in all and by kind, and how many arrays of each kind there are."""
    sent, arrays = Counter(), Counter()
    for each in found:
        sent[each.kind] += each.bytes_sent / 1e6
        arrays[each.kind] += 1
    return {"megabytes_sent": sum(sent.values()), "by_kind": dict(sent), "arrays": dict(arrays)}


def of_step(variant: str, table: str, count: int) -> dict[str, Any]:
    """Of the step that launch.train would compile for `count` devices."""
    name, _, kind = variant.partition(":")
    config = importlib.import_module(f"configs.{name}").get_config(kind)
    config.sharding = table
    config.mesh.update({"data": 1, **MESHES[table][count]})
    lowered = lowering(resolve.resolve(plans.without_sources(config)), jax.devices()[:count])
    text = compiled(lowered, compiler_options=_QUICK).program.as_text()
    weights = sum(leaf.size * leaf.dtype.itemsize for leaf in trees.by_path(lowered.plan.abstract.params).values())
    return {"devices": count, "megabytes_of_weights": weights / 1e6, **summed(collectives(text))}


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", int(sys.argv[1]))
    print(json.dumps([of_step(*step.split(","), int(sys.argv[1])) for step in sys.argv[2:]]))


__all__ = ["BRIEF", "MESHES", "Sizes", "measure", "of_step", "summed"]
