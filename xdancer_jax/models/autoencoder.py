"""Stable Diffusion's KL autoencoder: images to latents, 2^(levels - 1) times smaller, and back.

Parameter paths are those of diffusers' AutoencoderKL with "." before an index turned into "_".
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from xdancer_jax import axes
from xdancer_jax.nn import linear, norm
from xdancer_jax.nn.attention import attention
from xdancer_jax.nn.batch_split import keep_batch_split
from xdancer_jax.nn.remat import recomputed
from xdancer_jax.nn.resnet import Downsample, ResnetBlock, Upsample
from xdancer_jax.rng import Chance
from xdancer_jax.typing import Array, Float, typechecked

EPSILON = 1e-6


class SelfAttention(nn.Module):
    """Single-head self-attention over all positions, with a group norm before and a residual around it."""

    norm_groups: int
    dtype: str = "float32"
    param_dtype: str = "float32"

    @nn.compact
    @typechecked
    def __call__(self, x: Float[Array, "N H W C"]) -> Float[Array, "N H W C"]:
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        n, height, width, channels = x.shape
        h = norm.group_norm(self.norm_groups, "group_norm", epsilon=EPSILON, **types)(x)
        h = keep_batch_split(h.reshape(n, height * width, channels))
        query, key, value = (
            linear.dense(channels, (axes.EMBED, axes.HEADS), name, **types)(h)[:, :, None]
            for name in ("to_q", "to_k", "to_v")
        )
        h = attention(query, key, value)[:, :, 0]
        return x + linear.dense(channels, (axes.HEADS, axes.EMBED), "to_out_0", zero=True, **types)(h).reshape(x.shape)


class Block(nn.Module):
    """Resnets of one level, then the resampler ("downsamplers_0", "upsamplers_0" or none)."""

    features: int
    layers: int
    norm_groups: int
    resample: str = ""
    remat: str = "none"
    dtype: str = "float32"
    param_dtype: str = "float32"

    @nn.compact
    @typechecked
    def __call__(self, x: Float[Array, "N _ _ _"]) -> Float[Array, "N _ _ _"]:
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        resnet = recomputed(ResnetBlock, self.remat)
        for i in range(self.layers):
            x = resnet(self.features, self.norm_groups, EPSILON, name=f"resnets_{i}", **types)(x)
        if self.resample == "down":
            return Downsample((0, 1), name="downsamplers_0", **types)(x)
        return Upsample(name="upsamplers_0", **types)(x) if self.resample == "up" else x


class MidBlock(nn.Module):
    """Resnet, self-attention, resnet."""

    norm_groups: int
    remat: str = "none"
    dtype: str = "float32"
    param_dtype: str = "float32"

    @nn.compact
    @typechecked
    def __call__(self, x: Float[Array, "N H W C"]) -> Float[Array, "N H W C"]:
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        resnet, attend = recomputed(ResnetBlock, self.remat), recomputed(SelfAttention, self.remat)
        x = resnet(x.shape[-1], self.norm_groups, EPSILON, name="resnets_0", **types)(x)
        x = attend(self.norm_groups, name="attentions_0", **types)(x)
        return resnet(x.shape[-1], self.norm_groups, EPSILON, name="resnets_1", **types)(x)


class Coder(nn.Module):
    """The encoder (`up` False) or the decoder (`up` True). `block_out_channels` in the order of the images' side."""

    block_out_channels: tuple[int, ...]
    layers_per_block: int
    out_channels: int
    norm_groups: int
    up: bool
    remat: str = "none"
    dtype: str = "float32"
    param_dtype: str = "float32"

    @nn.compact
    @typechecked
    def __call__(self, x: Float[Array, "N _ _ _"]) -> Float[Array, "N _ _ _"]:
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        widths = self.block_out_channels[::-1] if self.up else self.block_out_channels
        middle = MidBlock(self.norm_groups, self.remat, name="mid_block", **types)
        x = keep_batch_split(linear.conv(widths[0], (3, 3), "conv_in", padding=1, **types)(x))
        if self.up:
            x = middle(x)
        for i, features in enumerate(widths):
            last = i == len(widths) - 1
            resample = "" if last else ("up" if self.up else "down")
            x = Block(
                features, self.layers_per_block + int(self.up), self.norm_groups, resample, self.remat,
                name=f"{'up' if self.up else 'down'}_blocks_{i}", **types,
            )(x)
        if not self.up:
            x = middle(x)
        x = norm.group_norm(self.norm_groups, "conv_norm_out", epsilon=EPSILON, **types)(x)
        return linear.conv(self.out_channels, (3, 3), "conv_out", padding=1, **types)(jax.nn.silu(x))


def _narrow_posterior(key: Array, shape: tuple[int], dtype) -> Array:
    """Initial bias of (mean, logvar). From variance 1 the noise, as large as the latents, drowns the first steps."""
    del key
    return jnp.repeat(jnp.asarray([0.0, -6.0], dtype), shape[0] // 2)


class AutoencoderKL(nn.Module):
    """Variational autoencoder with a Gaussian posterior; the defaults are those of Stable Diffusion 1.x.

    Attributes:
      block_out_channels: channels of each level; images shrink by 2 between levels.
      layers_per_block: resnets per encoder level; one more per decoder level.
      latent_channels: C of the latents.
      norm_groups: groups of all group norms.
      remat: what is kept of resnets and self-attention for the backward pass, a name of nn.remat.POLICIES.
    """

    block_out_channels: tuple[int, ...] = (128, 256, 512, 512)
    layers_per_block: int = 2
    latent_channels: int = 4
    norm_groups: int = 32
    remat: str = "none"
    dtype: str = "float32"
    param_dtype: str = "float32"

    def setup(self):
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        shape = (self.block_out_channels, self.layers_per_block)
        self.encoder = Coder(*shape, 2 * self.latent_channels, self.norm_groups, False, self.remat, **types)
        self.decoder = Coder(*shape, 3, self.norm_groups, True, self.remat, **types)
        self.quant_conv = nn.Conv(
            2 * self.latent_channels, (1, 1), **types,
            kernel_init=nn.with_logical_partitioning(
                nn.initializers.lecun_normal(), (None, None, axes.CONV_IN, axes.CONV_OUT)
            ),
            bias_init=nn.with_logical_partitioning(_narrow_posterior, (axes.CONV_OUT,)),
        )
        self.post_quant_conv = linear.conv(self.latent_channels, (1, 1), **types)

    @property
    def downsampling(self) -> int:
        """Pixels per latent cell, along each axis."""
        return 2 ** (len(self.block_out_channels) - 1)

    @typechecked
    def encode(self, images: Float[Array, "B _ _ 3"]) -> tuple[Float[Array, "B H W C"], Float[Array, "B H W C"]]:
        """Images in [-1, 1] -> (mean, log variance in [-30, 20]) of the posterior, float32, not rescaled.

        Raises:
          ValueError: height or width is no multiple of `downsampling`.
        """
        if images.shape[1] % self.downsampling or images.shape[2] % self.downsampling:
            raise ValueError(f"images are {images.shape[1]} x {images.shape[2]}; height and width must be multiples "
                             f"of {self.downsampling}")
        moments = self.quant_conv(self.encoder(images)).astype(jnp.float32)
        mean, logvar = jnp.split(moments, 2, axis=-1)
        return mean, jnp.clip(logvar, -30.0, 20.0)

    @typechecked
    def decode(self, latents: Float[Array, "B H W C"]) -> Float[Array, "B _ _ 3"]:
        """Latents as `encode` gives them -> images, float32, about [-1, 1], not clipped."""
        return self.decoder(self.post_quant_conv(latents)).astype(jnp.float32)

    @typechecked
    def __call__(
        self, images: Float[Array, "B H W 3"], chance: Chance
    ) -> tuple[Float[Array, "B H W 3"], Float[Array, "B _ _ C"], Float[Array, "B _ _ C"]]:
        """(reconstruction of a posterior sample, mean, log variance)."""
        mean, logvar = self.encode(images)
        latents = mean + jnp.exp(0.5 * logvar) * chance.normal(mean.shape[1:])
        return self.decode(latents), mean, logvar


__all__ = ["AutoencoderKL"]
