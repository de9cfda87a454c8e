"""Trees by path, and the split of a tree into its trainable and frozen leaves."""

from collections.abc import Mapping

import jax
from flax import traverse_util

from xdancer_jax.typing import PyTree


def by_path(tree: PyTree) -> dict[str, PyTree]:
    """Leaves by "/"-joined path, in tree order. None is no leaf."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def nested(leaves: Mapping[str, PyTree]) -> dict:
    """Nested dicts from `leaves` by path; the inverse of by_path for nested dicts, none of them empty."""
    return traverse_util.unflatten_dict(dict(leaves), sep="/")


def split(tree: PyTree, mask: PyTree) -> tuple[PyTree, PyTree]:
    """(leaves where `mask` is True, the other leaves), each with None in the place of the other's."""
    kept = jax.tree.map(lambda chosen, leaf: leaf if chosen else None, mask, tree)
    rest = jax.tree.map(lambda chosen, leaf: None if chosen else leaf, mask, tree)
    return kept, rest


def merge(first: PyTree, second: PyTree) -> PyTree:
    """`first` with its Nones filled from `second`."""
    return jax.tree.map(lambda a, b: b if a is None else a, first, second, is_leaf=lambda leaf: leaf is None)
