"""Classifier-free guidance (Ho and Salimans 2022)."""

from xdancer_jax.typing import Array, Float, typechecked


@typechecked
def classifier_free(
    conditional: Float[Array, "*S"], unconditional: Float[Array, "*S"], scale: float
) -> Float[Array, "*S"]:
    """unconditional + scale (conditional - unconditional): scale 1 is the conditional answer itself."""
    return unconditional + scale * (conditional - unconditional)
