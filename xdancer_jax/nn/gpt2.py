"""The GPT-2 block, laid out as the public weights are: ln_1, attn.{c_attn, c_proj}, ln_2, mlp.{c_fc, c_proj}."""

import flax.linen as nn
import jax.numpy as jnp

from xdancer_jax import axes
from xdancer_jax.nn import cache as kv
from xdancer_jax.nn.attention import attention
from xdancer_jax.nn.batch_split import keep_batch_split
from xdancer_jax.nn.dropout import Dropout
from xdancer_jax.nn.linear import RowDense, dense
from xdancer_jax.rng import Chance
from xdancer_jax.typing import Array, Float, Int, typechecked

STDDEV = 0.02  # GPT-2's initial weights


def norm(name: str | None, param_dtype: str) -> nn.LayerNorm:
    scale = nn.with_logical_partitioning(nn.initializers.ones_init(), (axes.EMBED,))
    bias = nn.with_logical_partitioning(nn.initializers.zeros_init(), (axes.EMBED,))
    return nn.LayerNorm(
        epsilon=1e-5, dtype="float32", param_dtype=param_dtype, scale_init=scale, bias_init=bias, name=name
    )


class Block(nn.Module):
    """Pre-norm GPT-2 block. Dropout on both residual branches; not on attention weights (fused kernels have none).

    Called with x (B, L, D) it is causal over x. Called with x (B, D) and a cache it is the one slot at `position`: its
    key and value are written into the cache, and it looks at all slots up to itself; its kernels are then (out, in),
    see RowDense. `chance` is given in training. Fields: num_layers scales the initial weights of the residual branches;
    keep_cache returns the keys and values of a whole sequence.
    """

    num_heads: int
    num_layers: int
    dropout: float
    dtype: str
    param_dtype: str
    keep_cache: bool = False

    @nn.compact
    @typechecked
    def __call__(
        self, x: Float[Array, "B *L D"], chance: Chance | None = None, cache: kv.Cache | None = None,
        position: Int[Array, ""] | None = None,
    ) -> tuple[Float[Array, "B *L D"], tuple[Array, Array] | kv.Cache | None]:
        decoding = cache is not None
        drop = Dropout(self.dropout)
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        attend = _Attention(self.num_heads, self.num_layers, decoding, name="attn", **types)
        hidden, kept = attend(norm("ln_1", self.param_dtype)(x).astype(self.dtype), cache, position)
        x = keep_batch_split(x + drop(hidden, chance))
        feed_forward = _FeedForward(self.num_layers, decoding, name="mlp", **types)
        hidden = feed_forward(norm("ln_2", self.param_dtype)(x).astype(self.dtype))
        x = keep_batch_split(x + drop(hidden, chance))
        return x, kept if decoding or self.keep_cache else None


class _Attention(nn.Module):
    """With the fused query-key-value projection `c_attn`."""

    num_heads: int
    num_layers: int
    decoding: bool
    dtype: str
    param_dtype: str

    @nn.compact
    def __call__(
        self, x: Array, cache: kv.Cache | None, position: Array | None
    ) -> tuple[Array, tuple[Array, Array] | kv.Cache]:
        width = x.shape[-1]
        fused = _dense(self, 3 * width, (axes.EMBED, axes.HEADS), "c_attn", STDDEV)(x)
        fused = keep_batch_split(fused)
        heads = (*x.shape[:-1], self.num_heads, width // self.num_heads)
        query, key, value = (part.reshape(heads) for part in jnp.split(fused, 3, axis=-1))
        if cache is None:
            out = attention(query, key, value, is_causal=True)
            kept = (key, value)
        else:
            kept = kv.write(cache, key[:, None], value[:, None], position)
            out = kv.attend(query, kept, position)
        residual = STDDEV / (2 * self.num_layers) ** 0.5
        return _dense(self, width, (axes.HEADS, axes.EMBED), "c_proj", residual)(out.reshape(x.shape)), kept


class _FeedForward(nn.Module):
    """Four times the width, tanh-approximated gelu."""

    num_layers: int
    decoding: bool
    dtype: str
    param_dtype: str

    @nn.compact
    def __call__(self, x: Array) -> Array:
        width = x.shape[-1]
        hidden = _dense(self, 4 * width, (axes.EMBED, axes.MLP), "c_fc", STDDEV)(x)
        residual = STDDEV / (2 * self.num_layers) ** 0.5
        return _dense(self, width, (axes.MLP, axes.EMBED), "c_proj", residual)(nn.gelu(keep_batch_split(hidden)))


def _dense(module: nn.Module, features: int, kernel_axes: tuple[str, str], name: str, stddev: float) -> nn.Module:
    """A linear layer inside `module`, which says whether it decodes."""
    types = {"dtype": module.dtype, "param_dtype": module.param_dtype}
    if module.decoding:
        return RowDense(features, name=name, **types)
    return dense(features, kernel_axes, name, stddev=stddev, **types)
