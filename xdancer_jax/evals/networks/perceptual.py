"""LPIPS (Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric"), v0.1: how far
apart two pictures are to a network that was trained to classify pictures.

The features of both are scaled to length 1 in every cell; their squared differences, weighed by a linear head, are
averaged over cells and added over layers. Backbones have the names and layouts of torchvision's alexnet, vgg16 and
squeezenet1_1, heads those of the `lpips` package (lin0.model.1.weight, ...).
"""

from collections.abc import Callable
from typing import Literal

import flax.linen as nn
import jax.numpy as jnp

from xdancer_jax.evals.networks.layers import Conv, max_pool, relu
from xdancer_jax.typing import Array, Float, typechecked

Backbone = Literal["alex", "vgg", "squeeze"]
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # ImageNet's colours, for pictures in [-1, 1]
SMALL = 1e-10
ALEX = ((0, 64, 11, 4, 2), (3, 192, 5, 1, 2), (6, 384, 3, 1, 1), (8, 256, 3, 1, 1), (10, 256, 3, 1, 1))
VGG = (((0, 64), (2, 64)), ((5, 128), (7, 128)), ((10, 256), (12, 256), (14, 256)),
       ((17, 512), (19, 512), (21, 512)), ((24, 512), (26, 512), (28, 512)))
# (index, channels of the squeeze, of each expansion); a pool before 3, 6 and 9
FIRES = ((3, 16, 64), (4, 16, 64), (6, 32, 128), (7, 32, 128), (9, 48, 192), (10, 48, 192), (11, 64, 256),
         (12, 64, 256))
SQUEEZE_LAYERS = (4, 7, 9, 10, 11, 12)  # after the first convolution
WIDTHS = {
    "alex": (64, 192, 384, 256, 256), "vgg": (64, 128, 256, 512, 512), "squeeze": (64, 128, 256, 384, 384, 512, 512),
}
SMALLEST = {"alex": 31, "vgg": 16, "squeeze": 17}  # pixels a side, below which a layer has no cell


def conv(index: int | str, features: int, kernel: int, stride: int = 1, pad: int = 0) -> Callable[[Array], Array]:
    """torchvision's convolution number `index` of a backbone, and its ReLU."""
    name = f"features_{index}" if isinstance(index, int) else index
    module = Conv(features, (kernel,) * 2, (stride,) * 2, pad, use_bias=True, name=name)
    return lambda x: relu(module(x))


class Fire(nn.Module):
    """SqueezeNet's block."""

    squeeze: int
    expand: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = conv("squeeze", self.squeeze, 1)(x)
        return jnp.concatenate([conv("expand1x1", self.expand, 1)(x), conv("expand3x3", self.expand, 3, 1, 1)(x)], -1)


class Features(nn.Module):
    """Normalised pictures -> the features of the layers that LPIPS looks at."""

    backbone: Backbone

    @nn.compact
    @typechecked
    def __call__(self, x: Float[Array, "B H W 3"]) -> list[Float[Array, "B _ _ _"]]:
        return {"alex": self._alex, "vgg": self._vgg, "squeeze": self._squeeze}[self.backbone](x)

    def _alex(self, x: Array) -> list[Array]:
        found = []
        for i, layer in enumerate(ALEX):
            x = conv(*layer)(max_pool(x, (3, 3), (2, 2), 0) if i in (1, 2) else x)
            found.append(x)
        return found

    def _vgg(self, x: Array) -> list[Array]:
        found = []
        for i, layers in enumerate(VGG):
            x = max_pool(x, (2, 2), (2, 2), 0) if i else x
            for index, width in layers:
                x = conv(index, width, 3, 1, 1)(x)
            found.append(x)
        return found

    def _squeeze(self, x: Array) -> list[Array]:
        x = conv(0, 64, 3, 2)(x)
        found = [x]
        for index, squeeze, expand in FIRES:
            x = max_pool(x, (3, 3), (2, 2), 0, ceil=True) if index in (3, 6, 9) else x
            x = Fire(squeeze, expand, name=f"features_{index}")(x)
            if index in SQUEEZE_LAYERS:
                found.append(x)
        return found


class Heads(nn.Module):
    """The weights of the layers' channels, none of them negative in the public files."""

    backbone: Backbone

    @nn.compact
    def __call__(self, differences: list[Array]) -> Array:
        total = jnp.zeros(differences[0].shape[0])
        for i, (difference, width) in enumerate(zip(differences, WIDTHS[self.backbone], strict=True)):
            weights = self.param(f"lin{i}", nn.initializers.constant(1 / width), (width,))
            total += jnp.einsum("bhwc,c->bhw", difference, weights, precision="highest").mean(axis=(1, 2))
        return total


class LPIPSNetwork(nn.Module):
    """Pictures of both sides, in [-1, 1] -> their distance, 0 for equal ones."""

    backbone: Backbone

    @nn.compact
    @typechecked
    def __call__(self, pictures: Float[Array, "B H W 3"], target: Float[Array, "B H W 3"]) -> Float[Array, " B"]:
        """Raises ValueError for pictures of fewer than SMALLEST pixels a side."""
        if min(pictures.shape[1:3]) < SMALLEST[self.backbone]:
            shown = f"{pictures.shape[1]} x {pictures.shape[2]}"
            raise ValueError(f"lpips: pictures are {shown}; {self.backbone} needs {SMALLEST[self.backbone]} pixels")
        both = jnp.concatenate([pictures, target])
        layers = Features(self.backbone, name="backbone")((both - jnp.asarray(SHIFT)) / jnp.asarray(SCALE))
        differences = []
        for layer in layers:
            unit = layer / (jnp.sqrt((layer**2).sum(axis=-1, keepdims=True)) + SMALL)
            one, other = jnp.split(unit, 2)
            differences.append((one - other) ** 2)
        return Heads(self.backbone, name="heads")(differences)


__all__ = ["Backbone", "LPIPSNetwork", "SMALLEST", "WIDTHS"]
