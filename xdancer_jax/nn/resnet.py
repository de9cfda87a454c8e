"""Residual convolution block and the two resamplers of Stable Diffusion's U-Net and autoencoder."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from xdancer_jax import axes
from xdancer_jax.nn import linear, norm
from xdancer_jax.nn.batch_split import keep_batch_split
from xdancer_jax.typing import Array, Float, typechecked


class ResnetBlock(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x))) + time))); a 1x1 shortcut where the channels change.

    The N images may be frames of B clips (N = B F, frames of a clip adjacent): `time` then holds one row a clip.
    """

    features: int
    norm_groups: int = 32
    epsilon: float = 1e-5
    dtype: str = "float32"
    param_dtype: str = "float32"

    @nn.compact
    @typechecked
    def __call__(self, x: Float[Array, "N H W _"], time: Float[Array, "B E"] | None = None) -> Float[Array, "N H W O"]:
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        h = norm.group_norm(self.norm_groups, "norm1", epsilon=self.epsilon, **types)(x)
        h = linear.conv(self.features, (3, 3), "conv1", padding=1, **types)(jax.nn.silu(h))
        if time is not None:
            shift = linear.dense(self.features, (axes.EMBED, axes.CONV_OUT), "time_emb_proj", **types)(
                jax.nn.silu(time)
            )
            shift = jnp.repeat(keep_batch_split(shift), x.shape[0] // shift.shape[0], axis=0)
            h = h + keep_batch_split(shift)[:, None, None, :]
        h = norm.group_norm(self.norm_groups, "norm2", epsilon=self.epsilon, **types)(keep_batch_split(h))
        h = linear.conv(self.features, (3, 3), "conv2", padding=1, zero=True, **types)(jax.nn.silu(h))
        if x.shape[-1] != self.features:
            x = linear.conv(self.features, (1, 1), "conv_shortcut", **types)(x)
        return keep_batch_split(x + h)


class Downsample(nn.Module):
    """Halves height and width (rounding up) with a 3x3 convolution of stride 2.

    `padding` is (before, after) on both axes: (1, 1) in the U-Net, (0, 1) in the autoencoder (which rounds down).
    """

    padding: tuple[int, int] = (1, 1)
    dtype: str = "float32"
    param_dtype: str = "float32"

    @nn.compact
    @typechecked
    def __call__(self, x: Float[Array, "N _ _ C"]) -> Float[Array, "N H W C"]:
        return keep_batch_split(linear.conv(
            x.shape[-1], (3, 3), "conv", strides=2, padding=(self.padding, self.padding), dtype=self.dtype,
            param_dtype=self.param_dtype,
        )(x))


class Upsample(nn.Module):
    """Doubles height and width by repetition, crops to `size` (height, width), then a 3x3 convolution.

    The crop takes one row or column away where the level above is odd; it equals nearest resizing to that size.
    """

    dtype: str = "float32"
    param_dtype: str = "float32"

    @nn.compact
    @typechecked
    def __call__(self, x: Float[Array, "N _ _ C"], size: tuple[int, int] | None = None) -> Float[Array, "N H W C"]:
        n, height, width, channels = x.shape
        x = jnp.broadcast_to(x[:, :, None, :, None, :], (n, height, 2, width, 2, channels))
        x = keep_batch_split(x.reshape(n, 2 * height, 2 * width, channels))
        if size is not None:
            x = x[:, : size[0], : size[1]]
        return keep_batch_split(linear.conv(
            channels, (3, 3), "conv", padding=1, dtype=self.dtype, param_dtype=self.param_dtype
        )(x))


__all__ = ["Downsample", "ResnetBlock", "Upsample"]
