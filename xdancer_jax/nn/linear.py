"""Dense and convolution layers whose kernels carry logical axis names."""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp

from xdancer_jax import axes
from xdancer_jax.nn import cpu_decoding
from xdancer_jax.nn.platform import platform
from xdancer_jax.typing import Array, Float, typechecked


def dense(
    features: int, kernel_axes: tuple[str, str], name: str | None = None, *, use_bias: bool = True,
    zero: bool = False, stddev: float | None = None, dtype=None, param_dtype="float32",
) -> nn.Dense:
    """nn.Dense with named kernel axes (in, out); zero-initialised if `zero`, normal if `stddev` is given."""
    init = _kernel_init(zero, stddev)
    return nn.Dense(
        features, use_bias=use_bias, name=name, dtype=dtype, param_dtype=param_dtype,
        kernel_init=nn.with_logical_partitioning(init, kernel_axes),
        bias_init=nn.with_logical_partitioning(nn.initializers.zeros_init(), kernel_axes[1:]),
    )


class RowDense(nn.Module):
    """nn.Dense for the few rows of a decoding step, whose time is that of reading the kernel: stored in `dtype` as
    (out, in). On a CPU see nn.cpu_decoding."""

    features: int
    dtype: str
    param_dtype: str = "float32"

    @nn.compact
    @typechecked
    def __call__(self, x: Float[Array, "B C"]) -> Float[Array, "B O"]:
        # Made from trained weights, never initialised.
        kernel = self.param("kernel", nn.initializers.zeros_init(), (self.features, x.shape[-1]), self.dtype)
        bias = self.param("bias", nn.initializers.zeros_init(), (self.features,), self.param_dtype)
        return row_products(x, kernel) + bias.astype(self.dtype)


@typechecked
def row_products(x: Float[Array, "B C"], kernel: Float[Array, "O C"]) -> Float[Array, "B O"]:
    """x kernel^T, see RowDense."""
    return cpu_decoding.row_by_row(x, kernel) if platform() == "cpu" else jnp.einsum("bc,oc->bo", x, kernel)


def conv(
    features: int, kernel_size: Sequence[int], name: str | None = None, *, strides: int | Sequence[int] = 1,
    padding="SAME", zero: bool = False, dtype=None, param_dtype="float32",
) -> nn.Conv:
    """nn.Conv over channel-last input with named kernel axes; zero-initialised if `zero`."""
    spatial = (None,) * len(kernel_size)
    return nn.Conv(
        features, tuple(kernel_size), strides=strides, padding=padding, name=name, dtype=dtype,
        param_dtype=param_dtype,
        kernel_init=nn.with_logical_partitioning(_kernel_init(zero, None), (*spatial, axes.CONV_IN, axes.CONV_OUT)),
        bias_init=nn.with_logical_partitioning(nn.initializers.zeros_init(), (axes.CONV_OUT,)),
    )


def _kernel_init(zero: bool, stddev: float | None):
    if zero:
        return nn.initializers.zeros_init()
    return nn.initializers.lecun_normal() if stddev is None else nn.initializers.normal(stddev)


__all__ = ["RowDense", "conv", "dense", "row_products"]
