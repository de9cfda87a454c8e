"""Choosing a token from logits. Nothing here knows a model."""

import jax
import jax.numpy as jnp

from xdancer_jax.typing import Array, Float, Int, typechecked


@typechecked
def filter_logits(
    logits: Float[Array, "*shape V"], temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0
) -> Float[Array, "*shape V"]:
    """Logits over temperature, with -inf for the entries that must not be drawn; float32.

    top_k > 0 keeps the k largest; then top_p < 1 keeps the smallest set of the largest whose probabilities reach
    top_p (the entry that crosses it included). Entries equal to the smallest kept one are kept too.
    """
    logits = logits.astype(jnp.float32) / temperature
    if 0 < top_k < logits.shape[-1]:
        smallest = jax.lax.top_k(logits, top_k)[0][..., -1:]
        logits = jnp.where(logits < smallest, -jnp.inf, logits)
    if top_p < 1.0:
        descending = -jnp.sort(-logits, axis=-1)
        probabilities = jax.nn.softmax(descending, axis=-1)
        before = jnp.cumsum(probabilities, axis=-1) - probabilities
        smallest = jnp.min(jnp.where(before < top_p, descending, jnp.inf), axis=-1, keepdims=True)
        logits = jnp.where(logits < smallest, -jnp.inf, logits)
    return logits


@typechecked
def sample(
    rng: Array, logits: Float[Array, "*shape V"], temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0
) -> Int[Array, "*shape"]:
    """One token a row of logits; temperature 0 is the largest logit. Raises ValueError for settings out of range."""
    if temperature < 0 or top_k < 0 or not 0 < top_p <= 1:
        raise ValueError(
            f"sampling needs temperature >= 0, top_k >= 0 and 0 < top_p <= 1; got {temperature}, {top_k}, {top_p}"
        )
    if temperature == 0:
        return jnp.argmax(logits, axis=-1).astype(jnp.int32)
    return jax.random.categorical(rng, filter_logits(logits, temperature, top_k, top_p)).astype(jnp.int32)


__all__ = ["filter_logits", "sample"]
