"""What a checkpoint holds against what a config asks for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax


def check_leaves(
    path: Path, stored: Mapping[str, Any], wanted: Mapping[str, Any], *, dtypes: bool = True
) -> None:
    """Holds the leaves of checkpoint `path` against what its config asks for; both by path, with shape and dtype.

    Raises:
      ValueError: lists every missing, extra and mis-shaped leaf; with `dtypes` another dtype counts as mis-shaped.
    """
    problems = [f"missing {name}" for name in wanted if name not in stored]
    problems += [f"extra {name}" for name in stored if name not in wanted]
    for name in wanted.keys() & stored.keys():
        leaf = wanted[name]
        if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.eval_shape(jax.random.key_data, leaf)
        found = stored[name]
        if tuple(found.shape) != leaf.shape or (dtypes and found.dtype != leaf.dtype):
            problems.append(
                f"mis-shaped {name}: {tuple(found.shape)} {found.dtype} in the checkpoint, {leaf.shape} {leaf.dtype} "
                "expected"
            )
    if problems:
        told = f"{path}: does not fit this run's config; give the one it was trained with, or train anew elsewhere:"
        raise ValueError("\n  ".join([told, *problems]))


__all__ = ["check_leaves"]
