"""Public weight files become a run: whole (the autoencoder's, AnimateAnyone's), or of the one part that a file holds,
for --config.parts.PART.source=run:DIR."""

from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from data_pipeline import files
from launch.converting.places import MOORE, MOORE_KINDS, PLACES, Place, config_of
from launch.runs import loading
from launch.shell import outputs
from xdancer_jax import sharding
from xdancer_jax.pretrained import table
from xdancer_jax.pretrained.kinds import KINDS
from xdancer_jax.pretrained.table import Source
from xdancer_jax.train import checkpoint, checkpointer, digest, guard, record, trees
from xdancer_jax.train.retention import newest
from xdancer_jax.train.state import TrainState
from xdancer_jax.typing import Array

_STEP = 1  # of the one checkpoint; 0 would be none


def convert(kind: str, source: str, out: str) -> list[str]:
    """Makes `out` the work directory of a run with the weights of `source`: lines that say what is there.

    Raises:
      FileNotFoundError, ValueError, ImportError: see table.opened and Source.read; `out` is there already. Nothing is
        left of a conversion that fails.
      OSError: `out` cannot be written.
    """
    files.check_here(source)
    place, sources = _opened(kind, source)
    config = config_of(place, sources)
    with outputs.appearing(out) as folder:
        mesh = sharding.make_mesh({"data": 1, "fsdp": 1, "tensor": 1}, jax.local_devices()[:1])
        alone = None if place.part in ("", "gpt") else sources  # the gpt's tables are made of the tokenizer's codes
        wanted = loading.placed(config, mesh, "data", alone)
        wanted = {path: leaf for path, leaf in wanted.items() if path.split("/")[1] in sources}
        arrays = _read(sources, wanted)
        lacks = [path for path in wanted if path not in arrays]
        _save(folder, config, trees.nested(arrays), lacks)
    count, size = len(arrays), sum(leaf.size for leaf in arrays.values())
    told = [f"{part}: {found.path}" for part, found in sources.items()]
    return [*told, f"{out}: {', '.join(sources)}, {size / 1e6:.2f}M numbers in {count} arrays"]


def _opened(kind: str, source: str) -> tuple[Place, dict[str, Source]]:
    if kind == MOORE:
        return Place("video", "moore_motion", ""), {
            part: table.opened(layout, source) for part, layout in MOORE_KINDS.items()
        }
    place = PLACES[kind]
    return place, {place.part: table.opened(KINDS[kind], source)}


def _read(sources: Mapping[str, Source], wanted: Mapping[str, jax.ShapeDtypeStruct]) -> dict[str, Array]:
    arrays = {}
    for name, source in sources.items():
        arrays |= source.read({path: leaf for path, leaf in wanted.items() if path.split("/")[1] == name})
    return arrays


def _save(folder: Path, config: ConfigDict, tree: Mapping, lacks: list[str]) -> None:
    """All weights are frozen ones, which are written once and have no optimizer state."""
    extra = tree.get("extra", {})
    state = TrainState(
        step=jnp.int32(_STEP), params={}, frozen=tree["params"], extra=extra, opt_state=(), ema=None,
        guard=guard.begin(), rng=jax.random.key(config.seed),
    )
    digests = {name: digest.of((part, extra.get(name, {}))) for name, part in state.frozen.items()}
    facts = {f"parts.{name}.source": value for name, value in digests.items()}
    with checkpointer.Checkpointer(folder, newest(1)) as saver:
        saver.write_frozen(state)
        saver.save(_STEP, state, digests, last=True)
    record.write(folder, {
        "stage": config.name, "config": config.to_dict(), "facts": facts, "changes": [], "starts": [], "lacks": lacks,
    })
    checkpoint.stored(folder)


__all__ = ["convert"]
