"""What the state of a full-size run weighs, by shapes alone: python -m benchmarks.state_bytes --out FILE.json

Parameters of each part, bytes of a checkpoint, bytes of the frozen weights that are written once a run, and bytes of
the state on each of 16 devices under two sharding tables. bfloat16 computing, as on accelerators; no data, no devices.
"""

import importlib
import json
import math
from pathlib import Path
from typing import Any

import jax
from jax.sharding import AbstractMesh

from benchmarks.training_flags import OUT
from configs.sharding import TABLES
from data_pipeline.files import write_atomically
from launch import stages
from launch.runs import build, resolve, sources
from launch.shell import cli, outputs
from xdancer_jax.train import trees
from xdancer_jax.train.state import TrainState, plan_state
from xdancer_jax.typing import PyTree

VARIANTS = ("video:paper_appearance", "video:paper_motion", "motion:medium")
DEVICES = 16
MESHES = {"fsdp": {"data": 1, "fsdp": DEVICES, "tensor": 1}, "data": {"data": DEVICES, "fsdp": 1, "tensor": 1}}


def figures(variant: str, tables: tuple[str, ...] = tuple(MESHES)) -> dict[str, Any]:
    """Of a config, "stage:variant"."""
    states = {table: abstract(variant, table) for table in tables}
    state = next(iter(states.values()))
    return {
        "parameters": {
            name: {"trainable": _count(state.params[name]), "frozen": _count(state.frozen[name])}
            for name in state.params
        },
        "checkpoint_bytes": _bytes(state.replace(frozen=None)),
        "written_once_bytes": _bytes(state.frozen),
        "device_bytes": {table: _bytes(each, sharded=True) for table, each in states.items()},
    }


def abstract(variant: str, table: str) -> TrainState:
    """The state over a mesh of DEVICES that are not here; sources do not change it, so that none is read."""
    stage, variant = variant.split(":")
    config = importlib.import_module(f"configs.{stage}").get_config(variant)
    config.dtype = "bfloat16"
    for part in config.parts.values():
        part.source = "random"
    config = resolve.resolve(config)
    return plan_state(
        stages.find(stage).make(config), build.optimizer(config), sources.parts(config), build.batch_shapes(config, 1),
        seed=0, ema=config.ema_decay > 0, mesh=AbstractMesh(tuple(MESHES[table].values()), tuple(MESHES[table])),
        rules=TABLES[table],
    ).abstract


def _count(tree: PyTree) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def _bytes(tree: PyTree, sharded: bool = False) -> int:
    """Of all arrays, or of the shards on one device."""
    total = 0
    for leaf in trees.by_path(tree).values():
        shape = leaf.sharding.shard_shape(leaf.shape) if sharded else leaf.shape
        total += math.prod(shape) * leaf.dtype.itemsize
    return total


def main(argv: list[str]) -> None:
    del argv
    outputs.check_out(OUT.value, ".json")
    found = {"devices": DEVICES, "dtype": "bfloat16"} | {variant: figures(variant) for variant in VARIANTS}
    content = json.dumps(found, indent=2)
    write_atomically(Path(OUT.value), (content + "\n").encode())
    print(content)


if __name__ == "__main__":
    cli.run(main)
