"""A run to be handed on: a folder with its config and all its weights in one file (xdancer_jax.train.packed)."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np

from launch.converting.exporting import checked
from launch.runs import features, sources
from launch.shell import outputs
from xdancer_jax import sharding
from xdancer_jax.train import checkpoint, packed, record

RUN: Final = "run"  # of --kind
# Fields of a config, and of those of earlier stages in it, that name places of the machine that trained.
_PLACES: Final = re.compile(
    r"(earlier\.\w+\.)*(data\.(dir|replay_dir|tokens|latents|embeddings)|start|compile_cache|parts\.\w+\.source)"
)


def pack(workdir: str, out: str, dtype: str) -> list[str]:
    """Makes the folder `out` of the run in `workdir`: lines that say what is there. Parameters are rounded to `dtype`,
    mutable collections are as they were. Of folders that the config names the last name alone is kept: who gets the run
    has no use for the others. An array is in memory at a time.

    Raises:
      ValueError: no such run; `out` is there already; numbers that `dtype` does not hold. OSError: it cannot be
        written. Nothing is left of an export that fails.
    """
    config = sources.read_config(workdir)
    stored, content = checkpoint.stored(workdir), record.read(workdir)
    leaves = {path: _held(path, stored.leaves[path], dtype) for path in sorted(stored.leaves)}
    digests = {part: _rounded(digest, dtype) for part, digest in stored.digests.items()}
    with outputs.appearing(out) as folder:
        if "music" in config.data:
            features.write(folder, features.read(workdir))
        packed.write(folder / packed.NAME, leaves, _arrays(stored, leaves, dtype), stored.step, digests)
        record.write(folder, _handed_on(content))
    size = sum(leaf.size * jnp.dtype(leaf.dtype).itemsize for leaf in leaves.values())
    return [f"{out}: stage {config.name}, step {stored.step}, {', '.join(digests)}, {size / 1e6:.1f} MB"]


def _handed_on(content: Mapping[str, Any]) -> dict[str, Any]:
    """What config.json says, without places: flags of compilers name folders as well."""
    changes = [
        {name: _name(value) if _PLACES.fullmatch(change["field"]) else value for name, value in change.items()}
        for change in content.get("changes", ())
    ]
    starts = [{name: value for name, value in start.items() if name != "flags"} for start in content.get("starts", ())]
    kept = {name: value for name, value in content.items() if name != "format"}
    return kept | {"config": _without_places(content["config"]), "changes": changes, "starts": starts}


def _without_places(config: Mapping[str, Any], path: tuple[str, ...] = ()) -> dict[str, Any]:
    kept = {}
    for name, value in config.items():
        here = (*path, name)
        if isinstance(value, Mapping):
            value = _without_places(value, here)
        kept[name] = _name(value) if _PLACES.fullmatch(".".join(here)) else value
    return kept


def _name(place: Any) -> Any:
    """"name" for "folder/name", "run:name" for "run:folder/name"."""
    return re.sub(r"^([a-z][a-z0-9]*:(?!//))?.*/(?=[^/]+/*$)", r"\1", place) if isinstance(place, str) else place


def _held(path: str, leaf: Any, dtype: str) -> jax.ShapeDtypeStruct:
    rounds = path.startswith("params/") and jnp.issubdtype(leaf.dtype, jnp.floating)
    return jax.ShapeDtypeStruct(tuple(leaf.shape), dtype if rounds else leaf.dtype)


def _rounded(digest: str, dtype: str) -> str:
    """Of a part in `dtype`: parts of equal digests have equal weights, before rounding and after."""
    return digest if dtype == "float32" else hashlib.sha256(f"{digest} {dtype}".encode()).hexdigest()[:16]


def _arrays(stored: Any, leaves: dict[str, jax.ShapeDtypeStruct], dtype: str) -> Iterator[tuple[str, np.ndarray]]:
    place = sharding.replicated(sharding.make_mesh({"data": 1, "fsdp": 1, "tensor": 1}, jax.local_devices()[:1]))
    found = {
        path: jax.ShapeDtypeStruct(leaf.shape, stored.leaves[path].dtype, sharding=place)
        for path, leaf in leaves.items()
    }
    for path, array in stored.each(found):
        yield path, checked(path, np.asarray(array), dtype) if path.startswith("params/") else np.asarray(array)


__all__ = ["RUN", "pack"]
