"""The GPT-2 block, laid out as the public weights are: ln_1, attn.{c_attn, c_proj}, ln_2, mlp.{c_fc, c_proj}."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from xdancer_jax import axes
from xdancer_jax.nn.attention import attention
from xdancer_jax.nn.linear import dense
from xdancer_jax.typing import Array, Float, typechecked

STDDEV = 0.02  # GPT-2's initial weights


def norm(name: str, param_dtype: str) -> nn.LayerNorm:
    scale = nn.with_logical_partitioning(nn.initializers.ones_init(), (axes.EMBED,))
    bias = nn.with_logical_partitioning(nn.initializers.zeros_init(), (axes.EMBED,))
    return nn.LayerNorm(
        epsilon=1e-5, dtype="float32", param_dtype=param_dtype, scale_init=scale, bias_init=bias, name=name
    )


class Attention(nn.Module):
    """GPT-2 attention with the fused query-key-value projection `c_attn`."""

    num_heads: int
    num_layers: int
    dtype: str
    param_dtype: str

    @nn.compact
    @typechecked
    def __call__(
        self, x: Float[Array, "B L D"], cached: tuple[Array, Array] | None = None, position: Array | None = None
    ) -> tuple[Float[Array, "B L D"], Array, Array]:
        """Output, keys and values. Causal over x itself; or, with `cached` keys and values (B, L', N, D/N), x is the
        one slot at `position`: it is written into them and looks at all slots up to itself."""
        width = x.shape[-1]
        options = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        fused = dense(3 * width, (axes.EMBED, axes.HEADS), "c_attn", stddev=STDDEV, **options)(x)
        heads = (*x.shape[:2], self.num_heads, width // self.num_heads)
        query, key, value = (part.reshape(heads) for part in jnp.split(fused, 3, axis=-1))
        if cached is None:
            out = attention(query, key, value, is_causal=True)
        else:
            key = jax.lax.dynamic_update_slice_in_dim(cached[0], key, position, axis=1)
            value = jax.lax.dynamic_update_slice_in_dim(cached[1], value, position, axis=1)
            seen = (jnp.arange(key.shape[1]) <= position)[None, None, None]
            out = attention(query, key, value, mask=seen)
        residual = STDDEV / (2 * self.num_layers) ** 0.5
        out = dense(width, (axes.HEADS, axes.EMBED), "c_proj", stddev=residual, **options)(out.reshape(x.shape))
        return out, key, value


class FeedForward(nn.Module):
    """GPT-2 MLP: four times the width, tanh-approximated gelu."""

    num_layers: int
    dtype: str
    param_dtype: str

    @nn.compact
    @typechecked
    def __call__(self, x: Float[Array, "B L D"]) -> Float[Array, "B L D"]:
        width = x.shape[-1]
        options = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        hidden = dense(4 * width, (axes.EMBED, axes.MLP), "c_fc", stddev=STDDEV, **options)(x)
        residual = STDDEV / (2 * self.num_layers) ** 0.5
        return dense(width, (axes.MLP, axes.EMBED), "c_proj", stddev=residual, **options)(nn.gelu(hidden))


class Block(nn.Module):
    """Pre-norm GPT-2 block. Dropout on both residual branches; not on attention weights (fused kernels have none)."""

    num_heads: int
    num_layers: int
    dropout: float
    dtype: str
    param_dtype: str

    @nn.compact
    def __call__(self, x: Array, train: bool, cached=None, position=None) -> tuple[Array, Array, Array]:
        """x (B, L, D) -> the same shape, and the keys and values of Attention."""
        options = {"num_layers": self.num_layers, "dtype": self.dtype, "param_dtype": self.param_dtype}
        drop = nn.Dropout(self.dropout, deterministic=not train)
        hidden, keys, values = Attention(self.num_heads, name="attn", **options)(
            norm("ln_1", self.param_dtype)(x).astype(self.dtype), cached, position
        )
        x = x + drop(hidden)
        hidden = FeedForward(name="mlp", **options)(norm("ln_2", self.param_dtype)(x).astype(self.dtype))
        return x + drop(hidden), keys, values
