"""Dense and convolution layers whose kernels carry logical axis names."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from xdancer_jax import axes
from xdancer_jax.nn.platform import platform
from xdancer_jax.typing import Array, Float, typechecked

_MIN_PIECE = 2**21  # bytes of a piece of a kernel; products by smaller ones cost more to start than they gain


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
    """nn.Dense for the few rows of a decoding step, whose time is that of reading the kernel.

    The kernel is stored in `dtype` as (out, in), in the pieces of `cut`. On a CPU each row is multiplied by itself:
    XLA's matrix-vector product reads memory at nearly full speed, and a row's result does not depend on the rows beside
    it.
    """

    features: int
    dtype: str
    param_dtype: str = "float32"

    @nn.compact
    @typechecked
    def __call__(self, x: Float[Array, "B C"]) -> Float[Array, "B O"]:
        # Made from trained weights, never initialised.
        kernel = self.param("kernel", lambda _: cut(jnp.zeros((self.features, x.shape[-1]), self.dtype)))
        bias = self.param("bias", nn.initializers.zeros_init(), (self.features,), self.param_dtype)
        return row_products(x, kernel) + bias.astype(self.dtype)


@typechecked
def cut(kernel: Float[Array, "O C"]) -> tuple[Float[Array, "_ C"], ...]:
    """The kernel as `row_products` reads it: its outputs in pieces, on a CPU, if it is large.

    A piece has as many weights as a square of the kernel's shorter side. XLA's products of a vector with such pieces
    read memory up to 1.4 times as fast as one with the whole, and the rows of a batch find a piece still in cache
    (measured, docs/performance.md).
    """
    short, long = sorted(kernel.shape)
    pieces = long // short
    if platform() != "cpu" or short * short * kernel.dtype.itemsize < _MIN_PIECE or kernel.shape[0] % pieces:
        return (kernel,)
    return tuple(jnp.split(kernel, pieces))


@typechecked
def row_products(x: Float[Array, "B C"], pieces: Sequence[Float[Array, "_ C"]]) -> Float[Array, "B O"]:
    """x kernel^T, by the pieces of a kernel; see RowDense."""
    if platform() == "cpu":
        products = [jax.lax.map(lambda row, piece=piece: piece @ row, x) for piece in pieces]
    else:
        products = [jnp.einsum("bc,oc->bo", x, piece) for piece in pieces]
    return jnp.concatenate(products, axis=1)


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


__all__ = ["RowDense", "conv", "cut", "dense", "row_products"]
