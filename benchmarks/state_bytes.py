"""What the state of a full-size run weighs, by shapes alone: python -m benchmarks.state_bytes --out FILE.json

Parameters of each part, bytes of a checkpoint, bytes of the frozen weights that are written once a run, and bytes of
the state on each of 16 devices under two sharding tables. bfloat16 computing, as on accelerators; no data, no devices.
"""

import importlib
import json
from pathlib import Path
from typing import Any

import jax
from jax.sharding import AbstractMesh

from benchmarks.training_flags import OUT
from data_pipeline.files import write_atomically
from launch.compiling import plans
from launch.compiling.report import bytes_a_device
from launch.compiling.step import planned
from launch.runs import build, resolve
from launch.shell import cli, outputs
from xdancer_jax.train.state import TrainState
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
        "device_bytes": {table: bytes_a_device(each) for table, each in states.items()},
    }


def abstract(variant: str, table: str) -> TrainState:
    """The state over a mesh of DEVICES that are not here."""
    stage, variant = variant.split(":")
    config = importlib.import_module(f"configs.{stage}").get_config(variant)
    config.dtype, config.sharding = "bfloat16", table
    config = resolve.resolve(plans.without_sources(config))
    mesh = AbstractMesh(tuple(MESHES[table].values()), tuple(MESHES[table]))
    return planned(config, mesh, build.batch_shapes(config, 1)).abstract


def _count(tree: PyTree) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def _bytes(tree: PyTree) -> int:
    """Of all arrays."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def main(argv: list[str]) -> None:
    del argv
    outputs.check_out(OUT.value, ".json")
    found = {"devices": DEVICES, "dtype": "bfloat16"} | {variant: figures(variant) for variant in VARIANTS}
    content = json.dumps(found, indent=2)
    write_atomically(Path(OUT.value), (content + "\n").encode())
    print(content)


if __name__ == "__main__":
    cli.run(main)
