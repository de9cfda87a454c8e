"""Weights for tests of stages without compiling their init: shapes by eval_shape, values by numpy."""

import jax
import jax.numpy as jnp
import numpy as np

from xdancer_jax import boxes
from xdancer_jax.rng import Chance
from xdancer_jax.train import trees
from xdancer_jax.train.parts import Part
from xdancer_jax.train.state import init_parts


def fates(stage, **fields):
    """{part: Part}; fields of one part by its name: fates(stage, reference_net={"copy": "unet"})."""
    return {name: Part(**fields.get(name, {})) for name in stage.parts}


def shapes(stage, batch, **fields):
    """Shapes of {"params", "extra"} by part, unboxed; all parameters but vectors must have had axis names."""
    boxed = jax.eval_shape(lambda key: init_parts(stage, fates(stage, **fields), batch, {}, key), jax.random.key(0))
    leaves = jax.tree.leaves(boxed["params"], is_leaf=boxes.is_box)
    assert all(boxes.is_box(leaf) or leaf.ndim < 2 for leaf in leaves)
    return boxes.unbox(boxed)


def made(stage, batch, given, **fields):
    """{"params", "extra"} by part, unboxed, as init makes them from `given` arrays by path and random ones."""
    return jax.jit(lambda given, key: boxes.unbox(init_parts(stage, fates(stage, **fields), batch, given, key)))(
        given, jax.random.key(0)
    )


def random(tree, scale):
    """Normal values of these shapes, `scale` wide."""
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda x: jnp.asarray(scale * rng.normal(size=x.shape), x.dtype), tree)


def under(prefix, tree):
    """Leaves of `tree` by path, each with `prefix` before it."""
    return {f"{prefix}/{path}": leaf for path, leaf in trees.by_path(tree).items()}


def loss(stage):
    """(params, extra, batch, key, train) -> (loss, (metrics, extra)) of a whole batch, as a step puts it together."""
    def whole(params, extra, batch, key, train):
        chance = Chance.whole(key, len(jax.tree.leaves(batch)[0]))
        value, (metrics, sums) = stage.loss(params, extra, batch, chance, train)
        extra, more = stage.finish(extra, sums, train)
        return value, (metrics | more, extra)

    return whole
