"""Attention in plain XLA, a block of queries at a time, for platforms and dtypes without a kernel.

All scores at once would take 3 GB for a frame at 896x512, and on a CPU most of the time goes into moving them: a block
stays in the cache. The backward pass computes scores again from the sums of exponentials, as FlashAttention does (Dao
et al. 2022, algorithm 4).
"""

import functools
import math

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name

from xdancer_jax.typing import Array, Float, Int, typechecked

SAVED = "fused_attention"  # checkpoint name of what a backward pass needs: the result, and sums of exponentials
_BLOCK = 64  # queries


@typechecked
def block_attention(
    query: Float[Array, "B L N D"],
    key: Float[Array, "B K N D"],
    value: Float[Array, "B K N D"],
    key_lengths: Int[Array, " B"] | None = None,
) -> Float[Array, "B L N D"]:
    """softmax(query key^T / sqrt(D)) value over the first `key_lengths` keys of each row, at least one; None: all."""
    length = query.shape[1]
    blocks = math.ceil(length / _BLOCK)
    block = math.ceil(length / blocks)
    query, key, value = (jnp.swapaxes(x, 1, 2) for x in (query * query.shape[-1] ** -0.5, key, value))
    query = jnp.pad(query, ((0, 0), (0, 0), (0, blocks * block - length), (0, 0)))
    out = _attend(blocks, query, key, value, key_lengths)
    return jnp.swapaxes(out[:, :, :length], 1, 2)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _attend(blocks: int, query: Array, key: Array, value: Array, lengths: Array | None) -> Array:
    return _forward(blocks, query, key, value, lengths)[0]


def _forward(
    blocks: int, query: Array, key: Array, value: Array, lengths: Array | None
) -> tuple[Array, tuple[Array | None, ...]]:
    def one(part: Array) -> tuple[Array, Array]:
        scores = _scores(part, key, lengths)
        highest = scores.max(axis=-1, keepdims=True)
        weights = jnp.exp(scores - highest)
        total = weights.sum(axis=-1, keepdims=True)
        mixed = jnp.einsum("bnqk,bnkd->bnqd", weights.astype(value.dtype), value, preferred_element_type=jnp.float32)
        return (mixed / total).astype(query.dtype), highest + jnp.log(total)

    out, sums = (_joined(x) for x in jax.lax.map(one, _split(query, blocks)))
    out, sums = checkpoint_name(out, SAVED), checkpoint_name(sums, SAVED)
    return out, (query, key, value, lengths, out, sums)


def _backward(blocks: int, saved: tuple[Array | None, ...], gradient: Array) -> tuple[Array | None, ...]:
    query, key, value, lengths, out, sums = saved
    inner = (gradient.astype(jnp.float32) * out.astype(jnp.float32)).sum(axis=-1, keepdims=True)
    exact = {"preferred_element_type": jnp.float32}

    def one(carried: tuple[Array, Array], part: tuple[Array, ...]) -> tuple[tuple[Array, Array], Array]:
        to_key, to_value = carried
        query, gradient, sums, inner = part
        weights = jnp.exp(_scores(query, key, lengths) - sums)
        to_value += jnp.einsum("bnqk,bnqd->bnkd", weights.astype(gradient.dtype), gradient, **exact)
        to_weights = jnp.einsum("bnqd,bnkd->bnqk", gradient, value, **exact)
        to_scores = (weights * (to_weights - inner)).astype(query.dtype)
        to_key += jnp.einsum("bnqk,bnqd->bnkd", to_scores, query, **exact)
        return (to_key, to_value), jnp.einsum("bnqk,bnkd->bnqd", to_scores, key, **exact).astype(query.dtype)

    begun = (jnp.zeros_like(key, jnp.float32), jnp.zeros_like(value, jnp.float32))
    parts = tuple(_split(x, blocks) for x in (query, gradient, sums, inner))
    (to_key, to_value), to_query = jax.lax.scan(one, begun, parts)
    return _joined(to_query), to_key.astype(key.dtype), to_value.astype(value.dtype), None


_attend.defvjp(_forward, _backward)


def _scores(query: Array, key: Array, lengths: Array | None) -> Array:
    """(B, N, q, K) float32; -inf at keys that are not seen."""
    scores = jnp.einsum("bnqd,bnkd->bnqk", query, key, preferred_element_type=jnp.float32)
    if lengths is None:
        return scores
    seen = jnp.arange(key.shape[2]) < lengths[:, None]
    return jnp.where(seen[:, None, None], scores, -jnp.inf)


def _split(x: Array, blocks: int) -> Array:
    """(B, N, L, D) -> (blocks, B, N, L / blocks, D)."""
    return jnp.moveaxis(x.reshape(*x.shape[:2], blocks, -1, x.shape[-1]), 2, 0)


def _joined(x: Array) -> Array:
    """The inverse of `_split`."""
    return jnp.moveaxis(x, 0, 2).reshape(*x.shape[1:3], -1, x.shape[-1])


__all__ = ["SAVED", "block_attention"]
