"""PoseGuider of AnimateAnyone: drawn skeleton maps -> features for the U-Net's input."""

import flax.linen as nn

from xdancer_jax.nn.batch_split import keep_batch_split
from xdancer_jax.nn.linear import conv
from xdancer_jax.typing import Array, Float, typechecked


class PoseGuider(nn.Module):
    """A small convolutional pyramid with a zero-initialised last layer; the ablation of the motion decoder.

    Attributes:
      block_out_channels: widths of the U-Net's resolution levels, finest first.
      channels: own widths; each after the first halves the picture, so that len(channels) - 1 halvings must equal
        the autoencoder's (AnimateAnyone: 16, 32, 96, 256 for a factor of 8).
    """

    block_out_channels: tuple[int, ...]
    channels: tuple[int, ...] = (16, 32, 96, 256)
    dtype: str = "float32"
    param_dtype: str = "float32"

    @nn.compact
    @typechecked
    def __call__(self, images: Float[Array, "B F H W 3"]) -> tuple[Float[Array, "B F _ _ _"] | None, ...]:
        """images: skeletons in [0, 1] at pixel resolution. Returns features for the finest level, None for the rest."""
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        x = keep_batch_split(images.reshape(-1, *images.shape[2:]))
        x = nn.silu(conv(self.channels[0], (3, 3), "conv_in", **types)(x))
        for i, (narrow, wide) in enumerate(zip(self.channels[:-1], self.channels[1:], strict=True)):
            x = nn.silu(conv(narrow, (3, 3), f"block_{i}_conv", **types)(x))
            x = nn.silu(conv(wide, (3, 3), f"block_{i}_down", strides=2, padding=1, **types)(x))
        x = conv(self.block_out_channels[0], (3, 3), "conv_out", zero=True, **types)(x)
        x = x.reshape(*images.shape[:2], *x.shape[1:])
        return (x, *(None,) * (len(self.block_out_channels) - 1))
