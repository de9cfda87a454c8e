"""ReferenceNet: a copy of the U-Net that reads the clean reference image once (paper, "Stage 3: diffusion").

Its parameter paths are a subset of the U-Net's, so weights go from one to the other by path.
"""

from typing import Self

import flax.linen as nn
import jax.numpy as jnp

from xdancer_jax.models.unet import UNet, down_path, take_skips
from xdancer_jax.nn.embeddings import TimestepEmbedding
from xdancer_jax.nn.unet_blocks import Conditions, Layout, MidBlock, UpBlock
from xdancer_jax.typing import Array, Float, typechecked


class ReferenceNet(nn.Module):
    """The U-Net's trunk at time 0, without motion modules and without what follows its last tap. Made by `of`."""

    layout: Layout
    cross_attention_dim: int
    latent_channels: int

    @classmethod
    def of(cls, unet: UNet) -> Self:
        """The one whose features `unet` reads."""
        return cls(unet.layout, unet.cross_attention_dim, unet.latent_channels)

    @nn.compact
    @typechecked
    def __call__(
        self, latents: Float[Array, "B H W C"], context: Float[Array, "B K D"]
    ) -> tuple[Float[Array, "B _ _"], ...]:
        """The norm1 output (B, tokens, channels) of every transformer block, in execution order.

        Args:
          latents: clean latents of the reference image.
          context: cross-attention tokens, (B, 1, cross_attention_dim).

        Raises:
          ValueError: wrong number of latent channels, wrong context width, or no level with attention.
        """
        layout = self.layout
        if latents.shape[-1] != self.latent_channels or context.shape[-1] != self.cross_attention_dim:
            raise ValueError(f"latents {latents.shape} and context {context.shape}: want {self.latent_channels} "
                             f"latent channels and a context of width {self.cross_attention_dim}")
        if not any(layout.attention_levels):
            raise ValueError("attention_levels: ReferenceNet needs attention at one level at least")
        time = TimestepEmbedding(
            layout.block_out_channels[0], 4 * layout.block_out_channels[0], name="time_embedding", **layout.types
        )(jnp.zeros(latents.shape[0], jnp.int32))
        conditions = Conditions(time, context)
        x, skips, taps = down_path(layout, latents, conditions, [])
        x, taps = MidBlock(layout, name="mid_block")(x, conditions, taps)
        last = layout.attention_levels.index(True)
        for i, level in enumerate(reversed(range(last, layout.levels))):
            here, skips = take_skips(layout, skips)
            size = skips[-1].shape[1:3] if skips else None
            x, taps = UpBlock(layout, level, level == last, name=f"up_blocks_{i}")(x, conditions, here, taps, size)
        return taps


__all__ = ["ReferenceNet"]
