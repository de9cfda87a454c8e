"""How much work a training step is, for its MFU: model FLOPs over seconds and the peak of all devices."""

import flax.linen as nn
import jax
from jax.sharding import Mesh

from xdancer_jax import flops
from xdancer_jax.rng import Chance
from xdancer_jax.sharding import Rules
from xdancer_jax.stage import Stage
from xdancer_jax.train import trees
from xdancer_jax.train.state import TrainState
from xdancer_jax.typing import Batch


def model_flops(stage: Stage, state: TrainState, batch: Batch, mesh: Mesh, rules: Rules) -> float:
    """FLOPs of the loss and of its gradient in what trains (xdancer_jax/flops.py), over all devices.

    `state` and `batch` may be shapes; nothing is computed, the loss is traced once more. However a batch is cut into
    smaller ones, and whatever is computed again, it is the same. Not in it: the optimizer. Raises as flops.count does.
    """

    def loss(params, frozen, extra, batch, rng):
        chance = Chance.whole(rng, jax.tree.leaves(batch)[0].shape[0])
        return stage.loss(trees.merge(params, frozen), extra, batch, chance, True)[0]

    with jax.set_mesh(mesh), nn.logical_axis_rules(rules):
        return flops.of_gradient(loss, state.params, state.frozen, state.extra, batch, state.rng)


__all__ = ["model_flops"]
