"""Attention over whole sequences, by each platform's best kernel; of one new slot over a cache: nn/cache.py."""

import jax
import jax.numpy as jnp

from xdancer_jax.nn.attention_blocks import SAVED, block_attention
from xdancer_jax.nn.attention_tpu import splash_attention
from xdancer_jax.nn.platform import platform
from xdancer_jax.typing import Array, Float, Int, typechecked

# Scores of one example that may lie in memory at once; 64 MiB in float32. A U-Net at 896x512 would need 3 GiB.
MAX_SCORES = 2**24
_SHORT = 256  # sequences below it waste most of a splash kernel's blocks
_FEW = 2**13  # scores of a head that are not worth a turn of a loop


@typechecked
def attention(
    query: Float[Array, "B L N D"],
    key: Float[Array, "B K N D"],
    value: Float[Array, "B K N D"],
    *,
    key_lengths: Int[Array, " B"] | None = None,
    is_causal: bool = False,
) -> Float[Array, "B L N D"]:
    """softmax(query key^T / sqrt(D)) value; the softmax in float32.

    key_lengths: the keys of each row that its queries see, its first ones, at least one; None: all.

    On a GPU in half precision it is cuDNN's, on a TPU splash (Pallas; sequences below _SHORT are XLA's), forward and
    backward; elsewhere blocks of queries (attention_blocks.py), whose memory is linear in L.

    Raises:
      ValueError: a causal call with key_lengths, or with other keys than queries.
    """
    if is_causal:
        if key_lengths is not None or query.shape != key.shape:
            raise ValueError(
                f"causal attention takes no key_lengths and as many keys as queries; got queries {query.shape}, keys "
                f"{key.shape}, key_lengths {None if key_lengths is None else key_lengths.shape}"
            )
        return _causal(query, key, value)
    length, heads, keys = query.shape[1], query.shape[2], key.shape[1]
    if platform() == "tpu" and min(length, keys) >= _SHORT:
        return splash_attention(query, key, value, key_lengths)
    if has_cudnn(query):
        return _cudnn(query, key, value, key_lengths)
    if length * keys <= _FEW or (platform() != "cpu" and length * keys * heads <= MAX_SCORES):
        return jax.nn.dot_product_attention(query, key, value, key_value_seq_lengths=key_lengths)
    return block_attention(query, key, value, key_lengths)


def fused_attention_saveable(primitive, *_, **params) -> bool:
    """A policy of jax.checkpoint: keeps what a fused kernel's backward pass needs: its result, sums of exponentials."""
    return primitive.name.startswith("dot_product_attention_fwd") or params.get("name") == SAVED


def has_cudnn(query: Float[Array, "*shape D"]) -> bool:
    """Whether this platform has cuDNN's attention for the dtype and the head width D of `query`."""
    half, width = query.dtype in (jnp.bfloat16, jnp.float16), query.shape[-1]
    return platform() == "gpu" and half and width <= 128 and width % 8 == 0


def _causal(query: Array, key: Array, value: Array) -> Array:
    if platform() == "tpu":
        return splash_attention(query, key, value, is_causal=True)
    if has_cudnn(query):
        return _cudnn(query, key, value, None, is_causal=True)
    return _causal_blocks(query, key, value)


def _cudnn(
    query: Array, key: Array, value: Array, key_lengths: Array | None, is_causal: bool = False
) -> Array:
    """JAX refuses odd lengths in training: queries that are added are cut off, keys that are added not seen, which a
    causal mask sees to by itself."""
    length, keys = query.shape[1], key.shape[1]
    if keys % 2 and key_lengths is None and not is_causal:
        key_lengths = jnp.full(len(key), keys, jnp.int32)
    query, key, value = (jnp.pad(x, ((0, 0), (0, x.shape[1] % 2), (0, 0), (0, 0))) for x in (query, key, value))
    return jax.nn.dot_product_attention(
        query, key, value, is_causal=is_causal, key_value_seq_lengths=key_lengths, implementation="cudnn"
    )[:, :length]


def _causal_blocks(query: Array, key: Array, value: Array) -> Array:
    """About eight blocks of queries: little more than half of the scores are computed, and a block's stay in cache."""
    length = query.shape[1]
    block = 64 * max(1, round(length / 512))
    query, key, value = (jnp.swapaxes(x, 1, 2) for x in (query, key, value))  # (B, N, L, D)
    query = query * query.shape[-1] ** -0.5
    blocks = []
    for start in range(0, length, block):
        stop = min(start + block, length)
        scores = jnp.einsum(
            "bnqd,bnkd->bnqk", query[:, :, start:stop], key[:, :, :stop], preferred_element_type=jnp.float32
        )
        seen = jnp.arange(start, stop)[:, None] >= jnp.arange(stop)
        weights = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf)).astype(value.dtype)
        blocks.append(jnp.einsum("bnqk,bnkd->bnqd", weights, value[:, :, :stop]))
    return jnp.swapaxes(jnp.concatenate(blocks, axis=2), 1, 2)


__all__ = ["attention", "fused_attention_saveable", "has_cudnn"]
