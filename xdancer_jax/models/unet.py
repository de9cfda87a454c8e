"""The denoiser: Stable Diffusion 1.5's U-Net with AnimateDiff-v2 motion modules and reference attention.

Paper, "Stage 3: diffusion". Parameter paths are those of the public checkpoints (diffusers' UNet2DConditionModel;
motion modules as in mm_sd_v15_v2) with "." before an index turned into "_".
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp

from xdancer_jax.nn import linear, norm
from xdancer_jax.nn.batch_split import keep_batch_split
from xdancer_jax.nn.embeddings import TimestepEmbedding
from xdancer_jax.nn.unet_blocks import Conditions, DownBlock, Layout, MidBlock, UpBlock
from xdancer_jax.typing import Array, Bool, Float, Int, typechecked


class UNet(nn.Module):
    """Predicts noise (or v) for the frames of a clip.

    Attributes:
      block_out_channels: channels of each resolution level; level i has ceil(h / 2^i) x ceil(w / 2^i) cells.
      layers_per_block: resnet (+ attention + motion module) layers per down block; one more per up block.
      attention_levels: whether level i has transformer blocks. The middle block always has one.
      num_heads: heads of the spatial attentions, the same at every level.
      cross_attention_dim: width of `context`.
      latent_channels: channels in and out.
      norm_groups: groups of all group norms.
      temporal: whether the motion modules exist, with `temporal_heads` heads and at most `temporal_max_frames`
        frames; `mid_temporal` puts one into the middle block as well.
      remat: what is kept of resnet, transformer and motion blocks for the backward pass, a name of nn.remat.POLICIES.
    """

    block_out_channels: tuple[int, ...] = (320, 640, 1280, 1280)
    layers_per_block: int = 2
    attention_levels: tuple[bool, ...] = (True, True, True, False)
    num_heads: int = 8
    cross_attention_dim: int = 768
    latent_channels: int = 4
    norm_groups: int = 32
    temporal: bool = True
    temporal_heads: int = 8
    temporal_max_frames: int = 32
    mid_temporal: bool = True
    remat: str = "none"
    dtype: str = "float32"
    param_dtype: str = "float32"

    @property
    def num_taps(self) -> int:
        """Transformer blocks, hence entries of `reference`: 16 in SD1.5."""
        return sum(self.attention_levels) * (2 * self.layers_per_block + 1) + 1

    @property
    def layout(self) -> Layout:
        """What its blocks share. Raises ValueError for fields that do not fit together."""
        return Layout(**{field.name: getattr(self, field.name) for field in dataclasses.fields(Layout)})

    @nn.compact
    @typechecked
    def __call__(
        self,
        latents: Float[Array, "B F H W C"],
        timesteps: Int[Array, " B"] | Float[Array, " B"],
        context: Float[Array, "B K D"],
        *,
        reference: tuple[Float[Array, "B _ _"], ...] | None = None,
        reference_mask: Bool[Array, " B"] | None = None,
        residuals: tuple[Float[Array, "B F _ _ _"] | None, ...] | None = None,
        use_temporal: bool = True,
    ) -> Float[Array, "B F H W C"]:
        """Noise prediction, float32.

        Args:
          latents: noisy latents, H x W cells.
          timesteps: one diffusion time per clip.
          context: cross-attention tokens per clip: one CLIP image token (B, 1, cross_attention_dim).
          reference: a ReferenceNet's output, `num_taps` arrays (B, tokens, channels). Every spatial self-attention
            looks at its own tokens and at these, through the same key and value projections.
          reference_mask: clips where it is False attend to themselves alone.
          residuals: pose features, one entry (or None) per level: entry i (B, F, ceil(H/2^i), ceil(W/2^i),
            block_out_channels[i]) is added to the features of level i where they first have that width: entry 0
            right after conv_in (as AnimateAnyone adds its pose features), entry i > 0 after the first resnet of
            down block i, before its attention. The skips that leave after that carry the sum.
          use_temporal: False skips the motion modules (appearance phase). Initialise with True to get their weights.

        Raises:
          ValueError: wrong number or shape of `reference` or `residuals`, wrong context width, too many frames.
        """
        layout = self.layout
        self._check(latents, context, reference, residuals)
        clips, frames = latents.shape[:2]
        time = TimestepEmbedding(
            self.block_out_channels[0], 4 * self.block_out_channels[0], name="time_embedding", **layout.types
        )(timesteps)
        conditions = Conditions(time, context, frames, reference, reference_mask, use_temporal)
        x = fold(latents)
        added = [None if r is None else fold(r) for r in residuals or ()]
        x, skips, taps = down_path(layout, x, conditions, added)
        x, taps = MidBlock(layout, name="mid_block")(x, conditions, taps)
        for i, level in enumerate(reversed(range(layout.levels))):
            here, skips = take_skips(layout, skips)
            size = skips[-1].shape[1:3] if skips else None
            x, taps = UpBlock(layout, level, name=f"up_blocks_{i}")(x, conditions, here, taps, size)
        x = jax.nn.silu(norm.group_norm(self.norm_groups, "conv_norm_out", **layout.types)(x))
        x = linear.conv(self.latent_channels, (3, 3), "conv_out", padding=1, **layout.types)(x)
        return x.reshape(clips, frames, *x.shape[1:]).astype(jnp.float32)

    def _check(self, latents: Array, context: Array, reference, residuals) -> None:
        if latents.shape[-1] != self.latent_channels:
            raise ValueError(f"latents have {latents.shape[-1]} channels, latent_channels is {self.latent_channels}")
        if context.shape[-1] != self.cross_attention_dim:
            raise ValueError(f"context is {context.shape[-1]} wide, cross_attention_dim is {self.cross_attention_dim}")
        if reference is not None and len(reference) != self.num_taps:
            raise ValueError(f"reference has {len(reference)} entries, this U-Net has {self.num_taps} transformer "
                             "blocks; give ReferenceNet the same layout")
        if residuals is None:
            return
        if len(residuals) != len(self.block_out_channels):
            raise ValueError(f"residuals has {len(residuals)} entries, want one (or None) for each of "
                             f"{len(self.block_out_channels)} levels")
        height, width = latents.shape[2:4]
        for i, (entry, channels) in enumerate(zip(residuals, self.block_out_channels, strict=True)):
            want = (*latents.shape[:2], -(-height // 2**i), -(-width // 2**i), channels)
            if entry is not None and entry.shape != want:
                raise ValueError(f"residuals[{i}] is {entry.shape}, want {want}")


def fold(x: Array) -> Array:
    """(B, F, ...) -> (B F, ...)."""
    return keep_batch_split(x.reshape(-1, *x.shape[2:]))


def down_path(layout: Layout, latents: Array, conditions: Conditions, residuals: list[Array | None]):
    """conv_in and the down blocks, as children of the calling module. Returns (x, skips, taps)."""
    residuals = residuals or [None] * layout.levels
    x = linear.conv(layout.block_out_channels[0], (3, 3), "conv_in", padding=1, **layout.types)(latents)
    x = keep_batch_split(x)
    if residuals[0] is not None:
        x = x + residuals[0].astype(x.dtype)
    skips, taps = [], ()
    for level in range(layout.levels):
        skips.append(x)
        residual = residuals[level] if level else None
        x, outputs, taps = DownBlock(layout, level, name=f"down_blocks_{level}")(x, conditions, taps, residual)
        skips.extend(outputs)
    return x, skips, taps


def take_skips(layout: Layout, skips: list[Array]) -> tuple[list[Array], list[Array]]:
    """(the skips of the next up block, last first; the rest)."""
    count = layout.layers_per_block + 1
    return skips[: -count - 1 : -1], skips[:-count]


__all__ = ["UNet", "down_path", "fold", "take_skips"]
