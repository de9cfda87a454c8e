"""I3D over RGB (Carreira and Zisserman 2017, "Quo Vadis, Action Recognition?"): a video to 400 Kinetics logits.

Names and layout are those of piergiaj/pytorch-i3d, which `i3d_pretrained_400.pt` (VideoGPT, TATS, DisCo, cd-fvd)
has. FVD's features are the logits.
"""

import functools

import flax.linen as nn
import jax.numpy as jnp

from xdancer_jax.evals.networks.layers import Conv, FixedNorm, max_pool, relu
from xdancer_jax.typing import Array, Float, typechecked

# Channels of an Inception block: 1x1; 1x1 and 3x3; 1x1 and 3x3; 1x1 after the pool.
MIXED = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32), "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64), "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64), "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128), "Mixed_5c": (384, 192, 384, 48, 128, 128),
}
STAGES = (("Mixed_3b", "Mixed_3c"), ("Mixed_4b", "Mixed_4c", "Mixed_4d", "Mixed_4e", "Mixed_4f"),
          ("Mixed_5b", "Mixed_5c"))
SIZE = 224
EPSILON = 1e-3  # of the batch norms
SHORTEST = 9  # frames: what is left of 8 is one step in time, which the pool over 2 cannot take


class Unit(nn.Module):
    """Convolution, batch norm, ReLU."""

    features: int
    kernel: int = 1
    stride: int = 1
    epsilon: float = EPSILON

    @nn.compact
    @typechecked
    def __call__(self, x: Float[Array, "B _ _ _ _"]) -> Float[Array, "B _ _ _ C"]:
        norm = FixedNorm(self.epsilon, name="bn")(self.features)
        return relu(Conv(self.features, (self.kernel,) * 3, (self.stride,) * 3, name="conv3d")(x, norm))


class Inception(nn.Module):
    """Four branches side by side; `widths` as in MIXED."""

    widths: tuple[int, ...]
    epsilon: float = EPSILON

    @nn.compact
    @typechecked
    def __call__(self, x: Float[Array, "B _ _ _ _"]) -> Float[Array, "B _ _ _ _"]:
        one, narrow1, wide1, narrow2, wide2, pooled = self.widths
        unit = functools.partial(Unit, epsilon=self.epsilon)
        branches = [
            unit(one, name="b0")(x),
            unit(wide1, 3, name="b1b")(unit(narrow1, name="b1a")(x)),
            unit(wide2, 3, name="b2b")(unit(narrow2, name="b2a")(x)),
            unit(pooled, name="b3b")(max_pool(x, (3, 3, 3), (1, 1, 1))),
        ]
        return jnp.concatenate(branches, axis=-1)


class Logits(nn.Module):
    """The last 1x1x1 convolution."""

    classes: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        return Conv(self.classes, (1, 1, 1), (1, 1, 1), use_bias=True, name="conv3d")(x)


class I3D(nn.Module):
    """Videos in [-1, 1] -> logits, the mean over what is left of time.

    Attributes:
      classes: of Kinetics.
      pool_frames: the last average pool runs over so many steps in time before the mean: 2 in DeepMind's and
        VideoGPT's, 1 in DisCo's. The same for 16 frames, of which 2 steps are left.
      epsilon: of the batch norms: 1e-3 in DeepMind's, piergiaj's and DisCo's, 1e-5 in TATS's and cd-fvd's copies, over
        the same weights.
    """

    classes: int = 400
    pool_frames: int = 2
    epsilon: float = EPSILON

    @nn.compact
    @typechecked
    def __call__(self, videos: Float[Array, "B F H W 3"]) -> Float[Array, "B _"]:
        """Raises ValueError for videos of fewer than 9 frames where `pool_frames` is 2, or of another size than 224."""
        if videos.shape[2:4] != (SIZE, SIZE):
            raise ValueError(f"I3D: frames are {videos.shape[2]} x {videos.shape[3]}; resize them to {SIZE} x {SIZE}")
        if self.pool_frames > 1 and videos.shape[1] < SHORTEST:
            raise ValueError(f"I3D: clips of {videos.shape[1]} frames; {SHORTEST} or more are needed")
        unit = functools.partial(Unit, epsilon=self.epsilon)
        x = unit(64, 7, 2, name="Conv3d_1a_7x7")(videos)
        x = max_pool(x, (1, 3, 3), (1, 2, 2))
        x = unit(192, 3, name="Conv3d_2c_3x3")(unit(64, name="Conv3d_2b_1x1")(x))
        x = max_pool(x, (1, 3, 3), (1, 2, 2))
        for i, stage in enumerate(STAGES):
            if i:
                size = 3 if i == 1 else 2
                x = max_pool(x, (size,) * 3, (2, 2, 2))
            for name in stage:
                x = Inception(MIXED[name], self.epsilon, name=name)(x)
        x = x.mean(axis=(2, 3), keepdims=True)  # 7 x 7 cells
        steps = x.shape[1] - self.pool_frames + 1
        x = sum(x[:, i : i + steps] for i in range(self.pool_frames)) / self.pool_frames
        return Logits(self.classes, name="logits")(x)[:, :, 0, 0].mean(axis=1)


__all__ = ["I3D", "SHORTEST", "SIZE"]
