"""What the networks that judge pictures and videos are made of: convolutions, fixed batch norms, pools.

They only look, and are never trained: float32, channels last, pictures (B, H, W, C) and videos (B, T, H, W, C).
Parameters carry the names that torch gives them, with "/" for ".", and "_0" for ".0"
(xdancer_jax/pretrained/features.py reads them).
"""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from xdancer_jax.typing import Array, Float, typechecked

Pads = Sequence[tuple[int, int]]
FEW_CHANNELS = 4  # up to here the taps of a kernel in time are laid side by side as channels on a CPU
JOINED = 16  # channels that groups are joined to on a CPU


def same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's "SAME": ceil(size / stride) outputs, the odd zero at the end."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class FixedNorm(nn.Module):
    """Batch norm by stored statistics, as a (factor, offset) of the convolution before it."""

    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, width: int) -> tuple[Float[Array, " C"], Float[Array, " C"]]:
        scale = self.param("scale", nn.initializers.ones, (width,))
        bias = self.param("bias", nn.initializers.zeros, (width,))
        mean = self.param("mean", nn.initializers.zeros, (width,))
        var = self.param("var", nn.initializers.ones, (width,))
        factor = scale / jnp.sqrt(var + self.epsilon)
        return factor, bias - mean * factor


class Conv(nn.Module):
    """A convolution, with the norm after it folded in.

    Attributes:
      features: channels out.
      kernel: sizes, two for pictures and three for videos.
      strides: one an axis.
      pads: "SAME" as TensorFlow means it, or the same number of zeros at both ends of every axis.
      groups: of channels.
      use_bias: whether it has one of its own.
    """

    features: int
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    pads: str | int = "SAME"
    groups: int = 1
    use_bias: bool = False

    @nn.compact
    @typechecked
    def __call__(
        self, x: Float[Array, "B *axes _"], norm: tuple[Float[Array, " C"], Float[Array, " C"]] | None = None
    ) -> Float[Array, "B *out C"]:
        shape = (*self.kernel, x.shape[-1] // self.groups, self.features)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape)
        offset = self.param("bias", nn.initializers.zeros, (self.features,)) if self.use_bias else 0.0
        if norm is not None:
            kernel, offset = kernel * norm[0], offset * norm[0] + norm[1]
        if self.pads == "SAME":
            sizes = zip(x.shape[1:-1], self.kernel, self.strides, strict=True)
            pads = [same(*axis) for axis in sizes]
        else:
            pads = [(int(self.pads), int(self.pads))] * len(self.kernel)
        return convolve(x, kernel, self.strides, pads, self.groups) + offset


def convolve(
    x: Float[Array, "B *axes _"], kernel: Array, strides: Sequence[int], pads: Pads, groups: int
) -> Float[Array, "B *out C"]:
    """A convolution over pictures or videos.

    On a CPU XLA takes up to nine times as long for three axes as torch does, and for two axes no longer; a kernel in
    time becomes a sum of kernels over pictures there.
    """
    if set(kernel.shape[:-2]) == {1} and not any(sum(pad) for pad in pads) and groups == 1:
        strided = tuple(slice(None, None, stride) for stride in strides)
        flat = kernel.reshape(kernel.shape[-2:])
        return jnp.matmul(x[(slice(None), *strided)], flat, precision=lax.Precision.HIGHEST)
    if len(strides) == 2:
        return _plain(x, kernel, strides, pads, groups)
    return lax.platform_dependent(
        x, kernel,
        cpu=lambda x, kernel: _by_pictures(x, kernel, strides, pads, groups),
        default=lambda x, kernel: _plain(x, kernel, strides, pads, groups),
    )


def _plain(x: Array, kernel: Array, strides: Sequence[int], pads: Pads, groups: int) -> Array:
    letters = "HW" if len(strides) == 2 else "DHW"
    numbers = (f"N{letters}C", f"{letters}IO", f"N{letters}C")
    return lax.conv_general_dilated(
        x, kernel, strides, pads, dimension_numbers=numbers, feature_group_count=groups,
        precision=lax.Precision.HIGHEST,
    )


def _by_pictures(x: Array, kernel: Array, strides: Sequence[int], pads: Pads, groups: int) -> Array:
    """By pictures (B T, H, W, C). With few channels all taps in time go in at once."""
    if groups > 1:
        return _by_groups(x, kernel, strides, pads, groups)
    taps, channels = kernel.shape[0], x.shape[-1]
    x = jnp.pad(x, ((0, 0), pads[0], (0, 0), (0, 0), (0, 0)))
    batch, length, *rest = x.shape
    count = (length - taps) // strides[0] + 1
    seen = [x[:, tap : tap + (count - 1) * strides[0] + 1 : strides[0]] for tap in range(taps)]
    if channels <= FEW_CHANNELS:
        wide = jnp.stack(seen, axis=-1).reshape(batch * count, *rest[:2], channels * taps)
        flat = kernel.transpose(1, 2, 3, 0, 4).reshape(*kernel.shape[1:3], -1, kernel.shape[-1])
        y = _plain(wide, flat, strides[1:], pads[1:], 1)
    else:
        y = sum(
            _plain(tap.reshape(batch * count, *rest), kernel[i], strides[1:], pads[1:], 1)
            for i, tap in enumerate(seen)
        )
    return y.reshape(batch, count, *y.shape[1:])


def _by_groups(x: Array, kernel: Array, strides: Sequence[int], pads: Pads, groups: int) -> Array:
    """Several groups at once, as one convolution whose kernel is zero from group to group: up to four times the
    arithmetic, in a quarter of the time that XLA takes for narrow groups on a CPU."""
    width, features = kernel.shape[-2], kernel.shape[-1] // groups
    joined = max(1, min(groups, JOINED // width))
    found = []
    for first in range(0, groups, joined):
        last = min(first + joined, groups)
        own = kernel[..., first * features : last * features].reshape(*kernel.shape[:-1], last - first, features)
        apart = jnp.einsum("...igo,hg->...higo", own, jnp.eye(last - first, dtype=kernel.dtype))
        apart = apart.reshape(*kernel.shape[:-2], (last - first) * width, (last - first) * features)
        found.append(_by_pictures(x[..., first * width : last * width], apart, strides, pads, 1))
    return jnp.concatenate(found, axis=-1)


def max_pool(
    x: Float[Array, "B *axes C"], kernel: Sequence[int], strides: Sequence[int], pads: str | int = "SAME",
    ceil: bool = False,
) -> Float[Array, "B *out C"]:
    """Largest value of every window, one axis after the other; padding never wins. `ceil`: torch's ceil_mode, where a
    last window may reach over the end."""
    for axis, (size, stride) in enumerate(zip(kernel, strides, strict=True), 1):
        length = x.shape[axis]
        low, high = same(length, size, stride) if pads == "SAME" else (int(pads), int(pads))
        high += (size - length - low - high) % stride if ceil else 0
        widths = [(0, 0)] * x.ndim
        widths[axis] = (low, high)
        padded = jnp.pad(x, widths, constant_values=-jnp.inf)
        count = (padded.shape[axis] - size) // stride + 1
        parts = [
            lax.slice_in_dim(padded, i, i + (count - 1) * stride + 1, stride, axis) for i in range(size)
        ]
        x = parts[0]
        for part in parts[1:]:
            x = jnp.maximum(x, part)
    return x


relu = jax.nn.relu

__all__ = ["Conv", "FixedNorm", "convolve", "max_pool", "relu", "same"]
