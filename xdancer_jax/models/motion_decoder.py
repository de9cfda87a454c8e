"""Motion decoder: pose tokens -> features for every resolution of the U-Net (paper, section 3.5 "Stage 3")."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from xdancer_jax import axes
from xdancer_jax.nn.batch_split import keep_batch_split
from xdancer_jax.nn.linear import conv, dense
from xdancer_jax.typing import Array, Float, typechecked


class PoseStyle(nn.Module):
    """One style vector a frame, from its pose tokens and joint confidences, mixed over neighbouring frames.

    kernel_size: frames that are mixed, a frame's own in the middle, zeros beyond the ends of the clip; 0 leaves every
    frame to itself and has no weights.
    """

    width: int
    kernel_size: int
    dtype: str = "float32"
    param_dtype: str = "float32"

    @nn.compact
    @typechecked
    def __call__(
        self, codes: Float[Array, "B F K C"], confidences: Float[Array, "B F J"]
    ) -> Float[Array, "B F D"]:
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        x = jnp.concatenate([codes.reshape(*codes.shape[:2], -1), confidences.astype(codes.dtype)], axis=-1)
        x = keep_batch_split(nn.silu(dense(self.width, (axes.EMBED, axes.MLP), "hidden", **types)(x)))
        x = keep_batch_split(dense(self.width, (axes.MLP, axes.EMBED), "out", **types)(x))
        if not self.kernel_size:
            return nn.silu(x)
        # A residual, zero at first: the frame's own pose is there from the start, also where F is 1.
        mixed = conv(self.width, (self.kernel_size,), "temporal", zero=True, **types)(nn.silu(x))
        return nn.silu(x + keep_batch_split(mixed))


class StyledBlock(nn.Module):
    """Convolution, AdaIN with the frame's style, SiLU."""

    channels: int
    dtype: str = "float32"
    param_dtype: str = "float32"

    @nn.compact
    @typechecked
    def __call__(self, x: Float[Array, "N H W C"], style: Float[Array, "N D"]) -> Float[Array, "N H W _"]:
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        x = keep_batch_split(conv(self.channels, (3, 3), "conv", **types)(x))
        both = keep_batch_split(dense(2 * self.channels, (axes.EMBED, axes.MLP), "style", **types)(style))
        scale, shift = jnp.split(both[:, None, None], 2, axis=-1)
        return nn.silu(instance_norm(x) * (1 + scale) + shift)


class MotionDecoder(nn.Module):
    """A learnable feature map at the U-Net's coarsest resolution, upsampled to its finest under AdaIN.

    AdaIN alone moves nothing: a style scales whole channels, so where a limb appears must come from the learnable map
    and the convolutions behind it. Hence two styled blocks a resolution, as in StyleGAN's constant-input synthesis.
    Outputs pass through zero-initialised projections: at first the U-Net is as it was.

    The paper says that AdaIN injects the pose tokens, with confidences, of a 16-frame window, and no more. (open) Ours:
    a frame's style is its own pose's, plus a convolution over the styles of its neighbours that is zero at first. With
    `temporal_kernel` 31 = 2 * 16 - 1 every frame of a window of 16 sees all of it, the first as the last.

    Attributes:
      block_out_channels: widths of the U-Net's resolution levels, finest first.
      latent_size: (height, width) of the latents; both divisible by 2^(levels - 1).
      channels: own width at each level, finest first.
      style_width: width of a frame's style vector.
      temporal_kernel: frames that the temporal convolution spans, odd; its weights are temporal_kernel * style_width^2
        (8.1 M of 31 and 512). 0: no mixing over time, and no weights.
    """

    block_out_channels: tuple[int, ...]
    latent_size: tuple[int, int]
    channels: tuple[int, ...]
    style_width: int
    temporal_kernel: int = 5
    dtype: str = "float32"
    param_dtype: str = "float32"

    @nn.compact
    @typechecked
    def __call__(
        self, codes: Float[Array, "B F K C"], confidences: Float[Array, "B F J"],
        latent_size: tuple[int, int] | None = None,
    ) -> tuple[Float[Array, "B F _ _ _"], ...]:
        """codes: codebook vectors of the pose tokens. Returns one (B, F, h / 2^i, w / 2^i, width_i) a level i.

        For another `latent_size` than it was trained at, the learnable map is resized (bilinear)."""
        levels = len(self.block_out_channels)
        factor = 2 ** (levels - 1)
        height, width = latent_size or self.latent_size
        if any(size % factor for size in (*self.latent_size, height, width)) or len(self.channels) != levels:
            raise ValueError(
                f"MotionDecoder: latent_size {self.latent_size} must be divisible by {factor} and channels "
                f"{self.channels} must have one entry for each of {levels} levels"
            )
        if self.temporal_kernel < 0 or self.temporal_kernel and self.temporal_kernel % 2 == 0:
            raise ValueError(
                f"MotionDecoder: temporal_kernel {self.temporal_kernel} must be odd (a frame is in its middle), or 0"
            )
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        batch, frames = codes.shape[:2]
        style = PoseStyle(self.style_width, self.temporal_kernel, name="style", **types)(codes, confidences)
        style = keep_batch_split(style.reshape(batch * frames, -1))
        shape = (self.latent_size[0] // factor, self.latent_size[1] // factor, self.channels[-1])
        canvas = self.param(
            "canvas", nn.with_logical_partitioning(nn.initializers.normal(1.0), (None, None, axes.CONV_IN)),
            shape, self.param_dtype,
        )
        canvas = jax.image.resize(canvas.astype(style.dtype), (height // factor, width // factor, shape[-1]), "linear")
        x = keep_batch_split(jnp.broadcast_to(canvas, (batch * frames, *canvas.shape)))
        residuals = []
        for level in reversed(range(levels)):
            if level < levels - 1:
                x = jax.image.resize(x, (x.shape[0], 2 * x.shape[1], 2 * x.shape[2], x.shape[3]), "nearest")
                x = keep_batch_split(x)
            x = StyledBlock(self.channels[level], name=f"level_{level}_a", **types)(x, style)
            x = StyledBlock(self.channels[level], name=f"level_{level}_b", **types)(x, style)
            out = conv(self.block_out_channels[level], (1, 1), f"out_{level}", zero=True, **types)(x)
            residuals.append(out.reshape(batch, frames, *out.shape[1:]))
        return tuple(reversed(residuals))


def instance_norm(x: Float[Array, "N H W C"]) -> Float[Array, "N H W C"]:
    """Zero mean and unit variance of each channel over the picture; statistics in float32."""
    wide = x.astype(jnp.float32)
    mean = wide.mean((1, 2), keepdims=True)
    variance = jnp.square(wide - mean).mean((1, 2), keepdims=True)
    return ((wide - mean) * jax.lax.rsqrt(variance + 1e-5)).astype(x.dtype)
