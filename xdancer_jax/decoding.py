"""Choosing a token from logits. Nothing here knows a model."""

import jax
import jax.numpy as jnp

from xdancer_jax.typing import Array, Float, Int, typechecked


@typechecked
def filter_logits(
    logits: Float[Array, "*shape V"], temperature: float | Float[Array, ""] = 1.0, top_k: int | Int[Array, ""] = 0,
    top_p: float | Float[Array, ""] = 1.0,
) -> Float[Array, "*shape V"]:
    """Logits over temperature, with -inf for the entries that must not be drawn; float32.

    top_k > 0 keeps the k largest; then top_p < 1 keeps the smallest set of the largest whose probabilities reach
    top_p (the entry that crosses it included). Entries equal to the smallest kept one are kept too.
    """
    logits = logits.astype(jnp.float32) / temperature
    descending = -jnp.sort(-logits, axis=-1)
    rank = jnp.arange(logits.shape[-1])
    descending = jnp.where((rank < top_k) | (top_k == 0), descending, -jnp.inf)
    probabilities = jax.nn.softmax(descending, axis=-1)
    before = jnp.cumsum(probabilities, axis=-1) - probabilities
    kept = ((before < top_p) | (top_p >= 1)) & (descending > -jnp.inf)
    smallest = jnp.min(jnp.where(kept, descending, jnp.inf), axis=-1, keepdims=True)
    return jnp.where(logits < smallest, -jnp.inf, logits)


@typechecked
def sample(
    keys: Array, logits: Float[Array, "B V"], temperature: float | Float[Array, ""] = 1.0,
    top_k: int | Int[Array, ""] = 0, top_p: float | Float[Array, ""] = 1.0,
) -> Int[Array, "B"]:
    """One token a row, drawn with the row's own key. The settings are in range: see `check`."""
    drawn = jax.vmap(jax.random.categorical)(keys, filter_logits(logits, temperature, top_k, top_p))
    return drawn.astype(jnp.int32)


def check(temperature: float, top_k: int, top_p: float) -> None:
    """Raises ValueError for settings out of range."""
    if not (temperature > 0 and top_k >= 0 and 0 < top_p <= 1):
        raise ValueError(
            f"sampling needs temperature > 0, top_k >= 0 (0: all) and 0 < top_p <= 1; got {temperature}, {top_k}, "
            f"{top_p} (top_k 1 always takes the likeliest token)"
        )


__all__ = ["check", "filter_logits", "sample"]
