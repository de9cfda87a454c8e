"""Host memory of a start and of a restore, over what a process holds in the end.

As a module of its own it is one process of such: python -m benchmarks.measures.memory JSON
"""

import json
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax

from benchmarks.measures import toy
from benchmarks.measures.found import Found, of_processes
from launch.shell import memory
from xdancer_jax import sharding
from xdancer_jax.train import checkpoint, trees
from xdancer_jax.train.checkpointer import Checkpointer
from xdancer_jax.train.parts import Part
from xdancer_jax.train.retention import newest
from xdancer_jax.typing import PyTree

BAR = 1.3


class Sizes(NamedTuple):
    """arrays of shape float32, three copies in all: weights and Adam's two moments."""

    arrays: int = 22
    shape: tuple[int, int] = (1024, 4096)
    processes: tuple[int, ...] = (1, 2)


BRIEF = Sizes(4, (256, 1024), (1,))


def measure(sizes: Sizes = Sizes()) -> Found:  # noqa: B008 (frozen)
    """A run of one step is written; then its state is restored, and another run starts from its weights."""
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for what in ("write", "start", "restore"):
            for count in sizes.processes if what != "write" else (1,):
                found = _processes(what, folder, sizes, count)
                if what != "write":
                    figures[f"{what} {count}"] = found
    told = ", ".join(
        f"{name.replace(' ', ' of ')} process(es) {max(each['ratio'] for each in found):.2f} "
        f"({found[0]['held'] / 1e9:.2f} GB held)" for name, found in figures.items()
    )
    met = all(each["ratio"] < BAR for found in figures.values() for each in found)
    return Found(told, f"below {BAR} x (own shards + largest array)", met, figures)


def _processes(what: str, folder: str, sizes: Sizes, count: int) -> list[dict[str, Any]]:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    given = {
        "what": what, "folder": folder, "arrays": sizes.arrays, "shape": sizes.shape, "address": address, "count": count
    }
    commands = [["benchmarks.measures.memory", json.dumps(given | {"number": number})] for number in range(count)]
    return of_processes(commands)


def ratio(growth: int, held: int, largest: int) -> float:
    """Bytes by which a process grew at most, over its own shards and the largest array."""
    return growth / (held + largest)


def anonymous() -> int:
    """Bytes of this process that are no pages of files (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


@contextmanager
def watched() -> Iterator[Callable[[], int]]:
    """What is given tells by how many anonymous bytes this process has grown inside, at most, every millisecond."""
    before, most, done = anonymous(), [0], threading.Event()

    def watch() -> None:
        while not done.wait(1e-3):
            most[0] = max(most[0], anonymous() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield lambda: max(most[0], anonymous() - before)
    finally:
        done.set()
        watcher.join()


def held(tree: PyTree) -> tuple[int, int]:
    """Bytes of the shards on this process's devices, and of the largest array, whole."""
    leaves = trees.by_path(tree).values()
    leaves = [jax.random.key_data(x) if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key) else x for x in leaves]
    own = sum(shard.data.nbytes for leaf in leaves for shard in leaf.addressable_shards)
    return own, max(leaf.nbytes for leaf in leaves)


def _main(given: dict[str, Any]) -> dict[str, Any]:
    memory.keep_freed()
    if given["count"] > 1:
        jax.distributed.initialize(given["address"], given["count"], given["number"])
    mesh, folder = sharding.make_mesh({"fsdp": -1}), given["folder"]
    stage, optimizer = toy.stage(given["arrays"], tuple(given["shape"])), toy.optimizer(2)
    read = checkpoint.stored(folder).read if given["what"] == "start" else None
    planned = toy.plan(stage, optimizer, {"net": Part(read=read)}, mesh)
    if given["what"] == "write":
        with Checkpointer(folder, newest(1)) as checkpointer:
            checkpointer.save(1, planned.create(), {"net": ""})
        return {}
    began = time.perf_counter()
    with watched() as grown, Checkpointer(folder, newest(1)) as checkpointer:
        state = planned.create() if read is not None else checkpointer.restore(1, planned.abstract)
        jax.block_until_ready(state)
        growth = grown()
    own, largest = held(state)
    return {
        "ratio": ratio(growth, own, largest), "grown": growth, "held": own, "largest": largest,
        "seconds": time.perf_counter() - began,
    }


if __name__ == "__main__":
    print(json.dumps(_main(json.loads(sys.argv[1]))))


__all__ = ["BAR", "BRIEF", "Sizes", "anonymous", "held", "measure", "ratio", "watched"]
