"""Attention in plain XLA, a head and a block of queries at a time, for platforms and dtypes without a kernel.

All scores at once would take 3 GB for a frame at 896x512, and on a CPU most of the time goes into moving them. The
backward pass computes them again from the sums of exponentials, as FlashAttention does (Dao et al. 2022, algorithm 4).
"""

import functools
import math
from typing import Final

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name

from xdancer_jax.flops import AGAIN
from xdancer_jax.nn.per_device import per_device
from xdancer_jax.typing import Array, Float, Int, typechecked

SAVED: Final = "fused_attention"  # checkpoint name of what a backward pass needs: the result, and sums of exponentials
# Measured on two cores, with heads of 8 to 512: a block's scores are 512 rows, or more where the rows are short.
_BLOCK, _SCORES = 512, 2**20


@typechecked
def block_attention(
    query: Float[Array, "B L N D"],
    key: Float[Array, "B K N D"],
    value: Float[Array, "B K N D"],
    key_lengths: Int[Array, " B"] | None = None,
) -> Float[Array, "B L N D"]:
    """softmax(query key^T / sqrt(D)) value over the first `key_lengths` keys of each row, at least one; None: all.

    Each device of a mesh takes its own rows and heads one after the other.
    """
    return per_device(_local, query, key, value, key_lengths)


def _local(query: Array, key: Array, value: Array, key_lengths: Array | None) -> Array:
    rows, length, heads, width = query.shape
    blocks = math.ceil(length / max(_BLOCK, _SCORES // key.shape[1]))
    block = math.ceil(length / blocks)
    query = jnp.pad(query * width**-0.5, ((0, 0), (0, blocks * block - length), (0, 0), (0, 0)))
    if key_lengths is not None:
        key_lengths = jnp.repeat(key_lengths, heads)
    out = _attend(blocks, *(jnp.swapaxes(x, 1, 2).reshape(-1, *x[0, :, 0].shape) for x in (query, key, value)),
                  key_lengths)  # fmt: skip
    return jnp.swapaxes(out.reshape(rows, heads, -1, width), 1, 2)[:, :length]


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _attend(blocks: int, query: Array, key: Array, value: Array, lengths: Array | None) -> Array:
    """Of heads one after the other: (R, L, D), (R, K, D), (R, K, D), (R,) -> (R, L, D)."""
    return _forward(blocks, query, key, value, lengths)[0]


def _forward(
    blocks: int, query: Array, key: Array, value: Array, lengths: Array | None
) -> tuple[Array, tuple[Array | None, ...]]:
    def of_head(inputs: tuple[Array | None, ...]) -> tuple[Array, Array]:
        query, key, value, length = inputs

        def of_block(query: Array) -> tuple[Array, Array]:
            scores = _scores(query, key, length)
            highest = scores.max(axis=-1, keepdims=True)
            weights = jnp.exp(scores - highest)
            total = weights.sum(axis=-1, keepdims=True)
            return (_product("qk,kd->qd", weights.astype(value.dtype), value) / total).astype(query.dtype), (
                highest + jnp.log(total)
            )

        return jax.tree.map(_joined, jax.lax.map(of_block, _split(query, blocks)))

    out, sums = jax.lax.map(of_head, (query, key, value, lengths))
    out, sums = checkpoint_name(out, SAVED), checkpoint_name(sums, SAVED)
    return out, (query, key, value, lengths, out, sums)


def _backward(blocks: int, saved: tuple[Array | None, ...], gradient: Array) -> tuple[Array | None, ...]:
    query, key, value, lengths, out, sums = saved
    inner = (gradient.astype(jnp.float32) * out.astype(jnp.float32)).sum(axis=-1, keepdims=True)

    def of_head(inputs: tuple[Array | None, ...]) -> tuple[Array, ...]:
        query, key, value, length, gradient, sums, inner = inputs

        def of_block(carried: tuple[Array, Array], part: tuple[Array, ...]) -> tuple[tuple[Array, Array], Array]:
            query, gradient, sums, inner = part
            with jax.named_scope(AGAIN):
                weights = jnp.exp(_scores(query, key, length) - sums)
            to_weights = _product("qd,kd->qk", gradient, value)
            to_scores = (weights * (to_weights - inner)).astype(query.dtype)
            # Keys last: XLA's products on a CPU take a third of the time of keys first.
            to_key = carried[0] + _product("qd,qk->dk", query, to_scores)
            to_value = carried[1] + _product("qd,qk->dk", gradient, weights.astype(gradient.dtype))
            return (to_key, to_value), _product("qk,kd->qd", to_scores, key).astype(query.dtype)

        begun = tuple(jnp.zeros(x.shape[::-1], jnp.float32) for x in (key, value))
        parts = tuple(_split(x, blocks) for x in (query, gradient, sums, inner))
        (to_key, to_value), to_query = jax.lax.scan(of_block, begun, parts)
        return _joined(to_query), to_key.T.astype(key.dtype), to_value.T.astype(value.dtype)

    return *jax.lax.map(of_head, (query, key, value, lengths, gradient, sums, inner)), None


_attend.defvjp(_forward, _backward)


def _scores(query: Array, key: Array, length: Array | None) -> Array:
    """(q, K) float32; -inf at keys that are not seen."""
    scores = _product("qd,kd->qk", query, key)
    return scores if length is None else jnp.where(jnp.arange(len(key)) < length, scores, -jnp.inf)


def _product(subscripts: str, left: Array, right: Array) -> Array:
    return jnp.einsum(subscripts, left, right, preferred_element_type=jnp.float32)


def _split(x: Array, blocks: int) -> Array:
    """(L, D) -> (blocks, L / blocks, D)."""
    return x.reshape(blocks, -1, x.shape[-1])


def _joined(x: Array) -> Array:
    """The inverse of `_split`."""
    return x.reshape(-1, x.shape[-1])


__all__ = ["SAVED", "block_attention"]
