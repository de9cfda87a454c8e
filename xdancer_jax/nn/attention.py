"""The one attention function of the project."""

import jax
import jax.numpy as jnp

from xdancer_jax.typing import Array, Bool, Float, typechecked

# Scores of one example that may lie in memory at once; 64 MiB in float32. A U-Net at 896x512 would need 3 GiB.
MAX_SCORES = 2**24


@typechecked
def attention(
    query: Float[Array, "B L N D"],
    key: Float[Array, "B K N D"],
    value: Float[Array, "B K N D"],
    *,
    mask: Bool[Array, "#B #N #L K"] | None = None,
    is_causal: bool = False,
) -> Float[Array, "B L N D"]:
    """softmax(query key^T / sqrt(D)) value; the softmax in float32. True in `mask` means "may look".

    XLA's own kernel on every platform for now; platform kernels (cuDNN, splash) belong here and nowhere else.
    Where the scores of one example would exceed MAX_SCORES the queries go through in chunks, which are computed
    again in the backward pass: exact, with memory linear in L. Causal calls are never chunked.
    """
    length, heads = query.shape[1:3]
    chunk = max(1, MAX_SCORES // (heads * key.shape[1]))
    if is_causal or length <= chunk:
        return jax.nn.dot_product_attention(query, key, value, mask=mask, is_causal=is_causal)
    return _chunked(query, key, value, mask, chunk)


def _chunked(query: Array, key: Array, value: Array, mask: Array | None, chunk: int) -> Array:
    length = query.shape[1]
    count = -(-length // chunk)
    chunk = -(-length // count)
    split_mask = mask is not None and mask.shape[2] != 1

    @jax.checkpoint
    def one(inputs: tuple[Array, Array | None]) -> Array:
        part, part_mask = inputs
        return jax.nn.dot_product_attention(part, key, value, mask=part_mask if split_mask else mask)

    parts = _split(query, 1, count, chunk)
    mask_parts = _split(mask, 2, count, chunk) if split_mask else None
    out = jnp.moveaxis(jax.lax.map(one, (parts, mask_parts)), 0, 1)
    return out.reshape(query.shape[0], count * chunk, *query.shape[2:])[:, :length]


def _split(x: Array, axis: int, count: int, chunk: int) -> Array:
    """Cuts `axis` (zero-padded at its end) into `count` pieces of `chunk`, stacked on a new leading axis."""
    pad = [(0, 0)] * x.ndim
    pad[axis] = (0, count * chunk - x.shape[axis])
    x = jnp.pad(x, pad)
    return jnp.moveaxis(x.reshape(*x.shape[:axis], count, chunk, *x.shape[axis + 1 :]), axis, 0)


__all__ = ["attention"]
