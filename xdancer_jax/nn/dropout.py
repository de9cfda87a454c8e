"""Dropout whose mask is drawn example by example."""

import flax.linen as nn
import jax.numpy as jnp

from xdancer_jax.rng import Chance
from xdancer_jax.typing import Array


class Dropout(nn.Module):
    """flax's Dropout, but that an example's mask does not depend on how the batch is cut. Needs an rng "dropout" where
    it is called with `chance`, of which it takes the rows alone: every layer has a key of its own."""

    rate: float

    @nn.compact
    def __call__(self, x: Array, chance: Chance | None) -> Array:
        """x (B, ...) in training, that is with `chance`; else x as it is."""
        if chance is None or self.rate == 0:
            return x
        keep = chance.replace(key=self.make_rng("dropout")).bernoulli(1 - self.rate, x.shape[1:])
        return jnp.where(keep, x / (1 - self.rate), jnp.zeros_like(x))


__all__ = ["Dropout"]
