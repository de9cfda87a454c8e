"""Rows of a table; sinusoidal embeddings of diffusion time and of frame positions."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from xdancer_jax import axes
from xdancer_jax.nn import linear
from xdancer_jax.nn.batch_split import keep_batch_split
from xdancer_jax.nn.platform import platform
from xdancer_jax.typing import Array, Float, Int, typechecked


@jax.custom_vjp
def lookup(table: Float[Array, "R D"], index: Int[Array, "*shape"]) -> Float[Array, "*shape D"]:
    """table[index], whose gradient is one matrix product on accelerators.

    A scatter adds there row by row, on a GPU in any order: slow where many look up few rows (35 of 509 ms at worst,
    docs/performance.md), and not the same twice. A CPU keeps it. Either sums in float32.
    """
    return table[index]


def _lookup_forward(table: Array, index: Array) -> tuple[Array, tuple[Array, Array]]:
    return table[index], (table, index)


def _lookup_backward(kept: tuple[Array, Array], gradient: Array) -> tuple[Array, None]:
    table, index = kept
    index = keep_batch_split(index.reshape(-1))
    gradient = keep_batch_split(gradient.reshape(-1, gradient.shape[-1]))
    if platform() == "cpu":
        summed = jnp.zeros(table.shape, jnp.float32).at[index].add(gradient.astype(jnp.float32))
        return summed.astype(table.dtype), None
    chosen = jax.nn.one_hot(index, len(table), dtype=gradient.dtype)
    # The highest precision: float32 would otherwise be rounded as tensor cores and matrix units like it.
    summed = jnp.einsum("lr,ld->rd", chosen, gradient, precision="highest", preferred_element_type=jnp.float32)
    return summed.astype(table.dtype), None


lookup.defvjp(_lookup_forward, _lookup_backward)


@typechecked
def timestep_embedding(timesteps: Int[Array, " B"] | Float[Array, " B"], width: int) -> Float[Array, "B {width}"]:
    """[cos(t w_i), sin(t w_i)] with w_i = 10000^(-2i/width), float32: the order of Stable Diffusion 1.5.

    Raises:
      ValueError: `width` is odd.
    """
    if width % 2:
        raise ValueError(f"timestep_embedding: width {width} is odd; give an even first block_out_channels")
    half = width // 2
    frequencies = jnp.exp(-np.log(10000.0) * jnp.arange(half, dtype=jnp.float32) / half)
    angles = timesteps.astype(jnp.float32)[:, None] * frequencies
    return jnp.concatenate([jnp.cos(angles), jnp.sin(angles)], axis=-1)


def frame_positions(frames: int, width: int) -> np.ndarray:
    """(frames, width) float32: sines in the even columns and cosines in the odd ones, as AnimateDiff has them."""
    angles = np.arange(frames)[:, None] * np.exp(np.arange(0, width, 2) * (-np.log(10000.0) / width))
    table = np.zeros((frames, width), np.float32)
    table[:, 0::2] = np.sin(angles)
    table[:, 1::2] = np.cos(angles)[:, : width // 2]
    return table


class TimestepEmbedding(nn.Module):
    """Sinusoids of `width`, then a two-layer MLP to `features`."""

    width: int
    features: int
    dtype: str = "float32"
    param_dtype: str = "float32"

    @nn.compact
    @typechecked
    def __call__(self, timesteps: Int[Array, " B"] | Float[Array, " B"]) -> Float[Array, "B E"]:
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        x = keep_batch_split(timestep_embedding(timesteps, self.width))
        x = linear.dense(self.features, (axes.EMBED, axes.MLP), "linear_1", **types)(x)
        x = linear.dense(self.features, (axes.MLP, axes.EMBED), "linear_2", **types)(jax.nn.silu(keep_batch_split(x)))
        return keep_batch_split(x)


__all__ = ["TimestepEmbedding", "frame_positions", "lookup", "timestep_embedding"]
