"""Down, middle and up blocks of the U-Net, shared by the denoiser and the ReferenceNet."""

import dataclasses
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp

from xdancer_jax.nn.remat import recomputed
from xdancer_jax.nn.resnet import Downsample, ResnetBlock, Upsample
from xdancer_jax.nn.temporal import MotionModule
from xdancer_jax.nn.transformer import SpatialTransformer
from xdancer_jax.typing import Array


@dataclasses.dataclass(frozen=True)
class Layout:
    """What all blocks of one U-Net share; see models.unet.UNet for the fields."""

    block_out_channels: tuple[int, ...]
    layers_per_block: int
    attention_levels: tuple[bool, ...]
    num_heads: int
    norm_groups: int
    temporal: bool
    temporal_heads: int
    temporal_max_frames: int
    mid_temporal: bool
    remat: str
    dtype: str
    param_dtype: str

    def __post_init__(self):
        if len(self.attention_levels) != len(self.block_out_channels):
            raise ValueError(
                f"attention_levels has {len(self.attention_levels)} entries and block_out_channels "
                f"{len(self.block_out_channels)}; give one per level"
            )
        for name in ("norm_groups", "num_heads", "temporal_heads"):
            if any(channels % getattr(self, name) for channels in self.block_out_channels):
                raise ValueError(f"block_out_channels {self.block_out_channels} must be multiples of {name} "
                                 f"({getattr(self, name)})")

    @property
    def types(self) -> dict[str, str]:
        return {"dtype": self.dtype, "param_dtype": self.param_dtype}

    @property
    def levels(self) -> int:
        return len(self.block_out_channels)


@dataclasses.dataclass(frozen=True)
class Conditions:
    """Inputs that every layer sees. B clips of `frames` images each, frames of a clip adjacent.

    time (B, E), context (B, K, D), reference: one (B, R, C) per transformer block in execution order, or None.
    """

    time: Array
    context: Array
    frames: int = 1
    reference: tuple[Array, ...] | None = None
    reference_mask: Array | None = None
    use_temporal: bool = False


def _resnet(layout: Layout, index: int, channels: int, x: Array, conditions: Conditions) -> Array:
    block = recomputed(ResnetBlock, layout.remat)
    return block(channels, layout.norm_groups, name=f"resnets_{index}", **layout.types)(x, conditions.time)


def _attention(
    layout: Layout, index: int, x: Array, conditions: Conditions, taps: Sequence[Array], tap_only: bool = False
) -> tuple[Array, tuple[Array, ...]]:
    """`taps` are those of all transformer blocks before this one; their number is this block's place."""
    reference = None if conditions.reference is None else conditions.reference[len(taps)]
    block = recomputed(SpatialTransformer, layout.remat)
    x, tap = block(layout.num_heads, layout.norm_groups, tap_only, name=f"attentions_{index}", **layout.types)(
        x, conditions.context, reference, conditions.reference_mask
    )
    return x, (*taps, tap)


def _motion(layout: Layout, index: int, x: Array, conditions: Conditions) -> Array:
    if not (layout.temporal and conditions.use_temporal):
        return x
    block = recomputed(MotionModule, layout.remat)
    return block(
        conditions.frames, layout.temporal_heads, layout.temporal_max_frames, layout.norm_groups,
        name=f"motion_modules_{index}", **layout.types,
    )(x)


class DownBlock(nn.Module):
    """Level `level` on the way down. Returns (x, the output of each layer for the skips, taps).

    `residual` is added after the first resnet, the first place that has this level's size and width.
    """

    layout: Layout
    level: int

    @nn.compact
    def __call__(self, x: Array, conditions: Conditions, taps: tuple[Array, ...], residual: Array | None):
        layout, skips = self.layout, []
        for i in range(layout.layers_per_block):
            x = _resnet(layout, i, layout.block_out_channels[self.level], x, conditions)
            if i == 0 and residual is not None:
                x = x + residual.astype(x.dtype)
            if layout.attention_levels[self.level]:
                x, taps = _attention(layout, i, x, conditions, taps)
            x = _motion(layout, i, x, conditions)
            skips.append(x)
        if self.level < layout.levels - 1:
            x = Downsample(name="downsamplers_0", **layout.types)(x)
        return x, skips, taps


class MidBlock(nn.Module):
    """Resnet, attention, motion module, resnet at the lowest resolution. Returns (x, taps)."""

    layout: Layout

    @nn.compact
    def __call__(self, x: Array, conditions: Conditions, taps: tuple[Array, ...]):
        channels = self.layout.block_out_channels[-1]
        x = _resnet(self.layout, 0, channels, x, conditions)
        x, taps = _attention(self.layout, 0, x, conditions, taps)
        if self.layout.mid_temporal:
            x = _motion(self.layout, 0, x, conditions)
        return _resnet(self.layout, 1, channels, x, conditions), taps


class UpBlock(nn.Module):
    """Level `level` on the way up. Takes the skips it consumes, last first, and the size of the next level.

    With `stop_at_tap` it ends at the norm1 output of its last transformer block: nothing after that exists.
    Returns (x, taps).
    """

    layout: Layout
    level: int
    stop_at_tap: bool = False

    @nn.compact
    def __call__(
        self, x: Array, conditions: Conditions, skips: Sequence[Array], taps: tuple[Array, ...],
        size: tuple[int, int] | None,
    ):
        layout = self.layout
        for i, skip in enumerate(skips):
            x = jnp.concatenate([x, skip], axis=-1)
            x = _resnet(layout, i, layout.block_out_channels[self.level], x, conditions)
            if layout.attention_levels[self.level]:
                tap_only = self.stop_at_tap and i == len(skips) - 1
                x, taps = _attention(layout, i, x, conditions, taps, tap_only)
            x = _motion(layout, i, x, conditions)
        if self.level > 0 and not self.stop_at_tap:
            x = Upsample(name="upsamplers_0", **layout.types)(x, size)
        return x, taps


__all__ = ["Conditions", "DownBlock", "Layout", "MidBlock", "UpBlock"]
