"""The transformer block of the U-Net: self-attention that may look at a reference, cross-attention, GEGLU."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from xdancer_jax import axes
from xdancer_jax.nn import linear, norm
from xdancer_jax.nn.attention import attention
from xdancer_jax.nn.batch_split import keep_batch_split
from xdancer_jax.typing import Array, Bool, Float, typechecked


class MultiHeadAttention(nn.Module):
    """Multi-head attention; queries from `x`, keys and values from `context` (default: `x`) and from `extra`.

    x: (N, L, D). context (M, K, D') and extra (M, R, D) may have fewer rows than x (N = M F, the frames of a clip
    adjacent): their keys and values are projected once a clip and repeated over its frames.
    extra_mask (M,): rows where it is False do not see `extra`.
    """

    heads: int
    dtype: str = "float32"
    param_dtype: str = "float32"

    @nn.compact
    @typechecked
    def __call__(
        self,
        x: Float[Array, "N L D"],
        context: Float[Array, "_ _ _"] | None = None,
        extra: Float[Array, "M _ _"] | None = None,
        extra_mask: Bool[Array, " M"] | None = None,
    ) -> Float[Array, "N L D"]:
        rows, length, width = x.shape
        if width % self.heads:
            raise ValueError(f"attention: width {width} is not divisible by {self.heads} heads; change num_heads")
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        to_q, to_k, to_v = (
            linear.dense(width, (axes.EMBED, axes.HEADS), name, use_bias=False, **types)
            for name in ("to_q", "to_k", "to_v")
        )

        def project(layer: nn.Dense, tokens: Array) -> Array:
            tokens = layer(tokens).reshape(tokens.shape[0], tokens.shape[1], self.heads, width // self.heads)
            if tokens.shape[0] != rows:
                tokens = jnp.repeat(keep_batch_split(tokens), rows // tokens.shape[0], axis=0)
            return keep_batch_split(tokens)

        source = x if context is None else context
        key, value, lengths = project(to_k, source), project(to_v, source), None
        if extra is not None:
            key = jnp.concatenate([key, project(to_k, extra)], axis=1)
            value = jnp.concatenate([value, project(to_v, extra)], axis=1)
            if extra_mask is not None:
                lengths = source.shape[1] + extra.shape[1] * extra_mask.astype(jnp.int32)
                lengths = jnp.repeat(lengths, rows // extra_mask.shape[0])
        out = attention(project(to_q, x), key, value, key_lengths=lengths).reshape(rows, length, width)
        out = linear.dense(width, (axes.HEADS, axes.EMBED), "to_out_0", **types)(keep_batch_split(out))
        return keep_batch_split(out)


class GEGLU(nn.Module):
    """a * gelu(b), where (a, b) is one projection of x to twice `features`."""

    features: int
    dtype: str = "float32"
    param_dtype: str = "float32"

    @nn.compact
    @typechecked
    def __call__(self, x: Float[Array, "N L _"]) -> Float[Array, "N L O"]:
        x = linear.dense(
            2 * self.features, (axes.EMBED, axes.MLP), "proj", dtype=self.dtype, param_dtype=self.param_dtype
        )(x)
        value, gate = jnp.split(x, 2, axis=-1)
        return value * jax.nn.gelu(gate, approximate=False)


class FeedForward(nn.Module):
    """GEGLU to four times the width and back."""

    dtype: str = "float32"
    param_dtype: str = "float32"

    @nn.compact
    @typechecked
    def __call__(self, x: Float[Array, "N L D"]) -> Float[Array, "N L D"]:
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        h = keep_batch_split(GEGLU(4 * x.shape[-1], name="net_0", **types)(x))
        return keep_batch_split(linear.dense(x.shape[-1], (axes.MLP, axes.EMBED), "net_2", **types)(h))


class TransformerBlock(nn.Module):
    """Pre-norm self-attention (own tokens and the reference's), cross-attention, feed-forward.

    Returns (tokens, tap): `tap` is the norm1 output, which is what a ReferenceNet hands to the denoiser. With
    `tap_only` nothing after norm1 exists and the tokens come back as they were.
    """

    heads: int
    tap_only: bool = False
    dtype: str = "float32"
    param_dtype: str = "float32"

    @nn.compact
    @typechecked
    def __call__(
        self,
        x: Float[Array, "N L D"],
        context: Float[Array, "B K _"],
        reference: Float[Array, "B R D"] | None = None,
        reference_mask: Bool[Array, " B"] | None = None,
    ) -> tuple[Float[Array, "N L D"], Float[Array, "N L D"]]:
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        tap = norm.layer_norm("norm1", **types)(x)
        if self.tap_only:
            return x, tap
        x = x + MultiHeadAttention(self.heads, name="attn1", **types)(
            tap, extra=reference, extra_mask=reference_mask
        )
        x = x + MultiHeadAttention(self.heads, name="attn2", **types)(
            norm.layer_norm("norm2", **types)(x), context
        )
        x = x + FeedForward(name="ff", **types)(norm.layer_norm("norm3", **types)(x))
        return x, tap


class SpatialTransformer(nn.Module):
    """One TransformerBlock over the H W positions of each image, between 1x1 convolutions, with a residual."""

    heads: int
    norm_groups: int = 32
    tap_only: bool = False
    dtype: str = "float32"
    param_dtype: str = "float32"

    @nn.compact
    @typechecked
    def __call__(
        self,
        x: Float[Array, "N H W C"],
        context: Float[Array, "B K _"],
        reference: Float[Array, "B _ _"] | None = None,
        reference_mask: Bool[Array, " B"] | None = None,
    ) -> tuple[Float[Array, "N H W C"], Float[Array, "N _ C"]]:
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        n, height, width, channels = x.shape
        h = norm.group_norm(self.norm_groups, "norm", epsilon=1e-6, **types)(x)
        h = linear.conv(channels, (1, 1), "proj_in", **types)(h)
        h = keep_batch_split(h.reshape(n, height * width, channels))
        h, tap = TransformerBlock(self.heads, self.tap_only, name="transformer_blocks_0", **types)(
            h, context, reference, reference_mask
        )
        if self.tap_only:
            return x, tap
        h = linear.conv(channels, (1, 1), "proj_out", **types)(h.reshape(x.shape))
        return keep_batch_split(x + h), tap


__all__ = ["FeedForward", "GEGLU", "MultiHeadAttention", "SpatialTransformer", "TransformerBlock"]
