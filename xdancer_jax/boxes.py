"""Arrays in boxes that hold the logical names of their axes, as linen's initialisers make them."""

from collections.abc import Mapping

import flax.linen as nn
import jax

from xdancer_jax.typing import Array, PyTree


def unbox(tree: PyTree) -> PyTree:
    """`tree` without the boxes that hold logical names (linen's own unbox would also constrain shardings)."""

    def value(leaf):
        return leaf.unbox(apply_constraint=False) if is_box(leaf) else leaf

    return jax.tree.map(value, tree, is_leaf=is_box)


def fill(boxed: PyTree, values: Mapping[str, Array]) -> PyTree:
    """`boxed` with the arrays of `values` at their "/"-joined paths, in the boxes that were there.

    Raises:
      ValueError: a path that is not there, or an array of another shape.
    """
    left = dict(values)

    def value(path, leaf):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        if name not in left:
            return leaf
        shape = leaf.value.shape if is_box(leaf) else leaf.shape
        if left[name].shape != shape:
            raise ValueError(f"{name}: an array of shape {left[name].shape} where {shape} is wanted")
        return leaf.replace_boxed(left.pop(name)) if is_box(leaf) else left.pop(name)

    filled = jax.tree_util.tree_map_with_path(value, boxed, is_leaf=is_box)
    if left:
        raise ValueError(f"no leaves {sorted(left)}")
    return filled


def is_box(leaf) -> bool:
    """Whether `leaf` is an array with logical axis names."""
    return isinstance(leaf, nn.LogicallyPartitioned)


__all__ = ["fill", "is_box", "unbox"]
