"""ResNet-50 and ResNeXt-101 over videos (Hara et al. 2018, "Can Spatiotemporal 3D CNNs Retrace the History of 2D CNNs
and ImageNet?"): a video to the 2048 features before the last layer. FID-VID's features.

Names and layout are those of kenshohara's resnet-50-kinetics.pth and resnext-101-kinetics.pth (shortcut type B).
"""

import flax.linen as nn

from xdancer_jax.evals.networks.layers import Conv, FixedNorm, max_pool, relu
from xdancer_jax.typing import Array, Float, typechecked

WIDTHS = (64, 128, 256, 512)
FRAMES = 16  # of a clip, down to one step in time


class Bottleneck(nn.Module):
    """1x1x1, 3x3x3 with the stride, 1x1x1, and a short way round.

    Attributes:
      width: channels of the middle.
      features: channels out.
      stride: of all three axes.
      groups: of the middle's channels.
      downsample: whether the short way round has a convolution.
    """

    width: int
    features: int
    stride: int
    groups: int
    downsample: bool

    @nn.compact
    @typechecked
    def __call__(self, x: Float[Array, "B _ _ _ _"]) -> Float[Array, "B _ _ _ C"]:
        def unit(x: Array, index: int, features: int, kernel: int, stride: int = 1, groups: int = 1) -> Array:
            conv = Conv(features, (kernel,) * 3, (stride,) * 3, kernel // 2, groups, name=f"conv{index}")
            return conv(x, FixedNorm(name=f"bn{index}")(features))

        y = relu(unit(x, 1, self.width, 1))
        y = relu(unit(y, 2, self.width, 3, self.stride, self.groups))
        y = unit(y, 3, self.features, 1)
        if self.downsample:
            conv = Conv(self.features, (1, 1, 1), (self.stride,) * 3, 0, name="downsample_0")
            x = conv(x, FixedNorm(name="downsample_1")(self.features))
        return relu(y + x)


class ResNet3D(nn.Module):
    """Videos in 0-255 less the mean colour -> features, the mean over what is left of time and space.

    Attributes:
      depths: blocks of the four stages.
      groups: 1 for a ResNet, 32 for a ResNeXt, whose middles are twice as wide and whose blocks widen half as much.
    """

    depths: tuple[int, ...] = (3, 4, 6, 3)
    groups: int = 1

    @nn.compact
    @typechecked
    def __call__(self, videos: Float[Array, "B F H W 3"]) -> Float[Array, "B _"]:
        norm = FixedNorm(name="bn1")(64)
        x = relu(Conv(64, (7, 7, 7), (1, 2, 2), 3, name="conv1")(videos, norm))
        x = max_pool(x, (3, 3, 3), (2, 2, 2), pads=1)
        for stage, (depth, width) in enumerate(zip(self.depths, WIDTHS, strict=True), 1):
            middle = width if self.groups == 1 else 2 * width
            for block in range(depth):
                stride = 2 if stage > 1 and block == 0 else 1
                name = f"layer{stage}_{block}"
                x = Bottleneck(middle, 4 * width, stride, self.groups, block == 0, name=name)(x)
        return x.mean(axis=(1, 2, 3))


def resnet50() -> ResNet3D:
    """The network of resnet-50-kinetics.pth."""
    return ResNet3D()


def resnext101() -> ResNet3D:
    """The network of resnext-101-kinetics.pth."""
    return ResNet3D((3, 4, 23, 3), groups=32)


__all__ = ["FRAMES", "ResNet3D", "resnet50", "resnext101"]
