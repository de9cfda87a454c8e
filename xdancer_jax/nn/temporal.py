"""AnimateDiff-v2 motion module: attention over the frames of a clip, separately at every position."""

import flax.linen as nn
import jax.numpy as jnp

from xdancer_jax import axes
from xdancer_jax.nn import embeddings, linear, norm
from xdancer_jax.nn.batch_split import keep_batch_split, keep_inner_split
from xdancer_jax.nn.transformer import FeedForward, MultiHeadAttention
from xdancer_jax.typing import Array, Float, typechecked


class TemporalBlock(nn.Module):
    """Two pre-norm self-attentions over frames, each with the frame positions added to its input, then GEGLU."""

    heads: int
    max_frames: int
    dtype: str = "float32"
    param_dtype: str = "float32"

    @nn.compact
    @typechecked
    def __call__(self, x: Float[Array, "N F D"]) -> Float[Array, "N F D"]:
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        if x.shape[1] > self.max_frames:
            raise ValueError(
                f"temporal module: {x.shape[1]} frames, temporal_max_frames is {self.max_frames}; use shorter windows"
            )
        positions = jnp.asarray(embeddings.frame_positions(*x.shape[1:]), x.dtype)
        for i in range(2):
            h = norm.layer_norm(f"norms_{i}", **types)(x) + positions
            x = x + MultiHeadAttention(self.heads, name=f"attention_blocks_{i}", **types)(h)
        return x + FeedForward(name="ff", **types)(norm.layer_norm("ff_norm", **types)(x))


class TemporalTransformer(nn.Module):
    """Group norm (per frame) -> linear -> TemporalBlock -> zero-initialised linear -> residual."""

    frames: int
    heads: int
    max_frames: int
    norm_groups: int = 32
    dtype: str = "float32"
    param_dtype: str = "float32"

    @nn.compact
    @typechecked
    def __call__(self, x: Float[Array, "N H W C"]) -> Float[Array, "N H W C"]:
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        n, height, width, channels = x.shape
        h = norm.group_norm(self.norm_groups, "norm", epsilon=1e-6, **types)(x)
        # Where frames lie on several devices, these exchange them here for places, and back.
        h = keep_inner_split(h.reshape(n // self.frames, self.frames, height * width, channels))
        h = keep_inner_split(h.swapaxes(1, 2))
        h = keep_batch_split(h.reshape(-1, self.frames, channels))
        h = linear.dense(channels, (axes.EMBED, axes.MLP), "proj_in", **types)(h)
        h = TemporalBlock(self.heads, self.max_frames, name="transformer_blocks_0", **types)(h)
        h = linear.dense(channels, (axes.MLP, axes.EMBED), "proj_out", zero=True, **types)(h)
        h = keep_inner_split(h.reshape(n // self.frames, height * width, self.frames, channels))
        h = keep_inner_split(h.swapaxes(1, 2))
        return keep_batch_split(x + h.reshape(x.shape))


class MotionModule(nn.Module):
    """A TemporalTransformer under the name the public checkpoints give it. x: (B F, H, W, C), frames of a clip
    adjacent; `frames` is F."""

    frames: int
    heads: int = 8
    max_frames: int = 32
    norm_groups: int = 32
    dtype: str = "float32"
    param_dtype: str = "float32"

    @nn.compact
    @typechecked
    def __call__(self, x: Float[Array, "N H W C"]) -> Float[Array, "N H W C"]:
        return TemporalTransformer(
            self.frames, self.heads, self.max_frames, self.norm_groups, self.dtype, self.param_dtype,
            name="temporal_transformer",
        )(x)


__all__ = ["MotionModule", "TemporalBlock", "TemporalTransformer"]
