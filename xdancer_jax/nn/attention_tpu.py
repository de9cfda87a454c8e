"""JAX's Pallas kernel for TPUs (splash), of causal attention and of attention over the first keys of each row."""

import functools

import jax
import jax.numpy as jnp

from xdancer_jax.nn.attention_blocks import SAVED
from xdancer_jax.nn.per_device import per_device
from xdancer_jax.typing import Array, Float, Int, typechecked

_LANES = 128  # what lengths are padded to
_EDGES = (512, 384, 256, 128)  # of a kernel's blocks; the first that divides the length is taken


@typechecked
def splash_attention(
    query: Float[Array, "B L N D"],
    key: Float[Array, "B K N D"],
    value: Float[Array, "B K N D"],
    key_lengths: Int[Array, " B"] | None = None,
    *,
    is_causal: bool = False,
    interpret: bool = False,
) -> Float[Array, "B L N D"]:
    """softmax(query key^T / sqrt(D)) value; see attention.

    interpret: computed by JAX and not by the kernel, to be tested elsewhere.
    """
    local = functools.partial(_local, is_causal=is_causal, interpret=interpret)
    return per_device(local, query, key, value, key_lengths)


def _local(
    query: Array, key: Array, value: Array, lengths: Array | None, *, is_causal: bool, interpret: bool
) -> Array:
    # Pallas takes a second to import, and is of use on a TPU alone.
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_kernel as kernels
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_mask as masks

    length, keys = query.shape[1], key.shape[1]
    query, key, value = (_padded(jnp.swapaxes(x, 1, 2)) for x in (query * query.shape[-1] ** -0.5, key, value))
    shape = (query.shape[2], key.shape[2])
    mask = masks.CausalMask(shape) if is_causal else masks.FullMask(shape)
    kernel = kernels.make_splash_mha(
        masks.MultiHeadMask([mask] * query.shape[1]), block_sizes=_sizes(kernels, *shape), head_shards=1,
        q_seq_shards=1, residual_checkpoint_name=SAVED, interpret=interpret,
    )
    if lengths is None and (is_causal or keys == shape[1]):  # causal: what is padded lies behind every query
        out = jax.vmap(kernel)(query, key, value)
    else:
        seen = jnp.broadcast_to(keys if lengths is None else lengths, len(query))
        ids = kernels.SegmentIds(
            jnp.zeros((len(query), shape[0]), jnp.int32), (jnp.arange(shape[1]) >= seen[:, None]).astype(jnp.int32)
        )
        out = jax.vmap(kernel)(query, key, value, ids)
    return jnp.swapaxes(out[:, :, :length], 1, 2)


def _padded(x: Array) -> Array:
    return jnp.pad(x, ((0, 0), (0, 0), (0, -x.shape[2] % _LANES), (0, 0)))


def _sizes(kernels, queries: int, keys: int):
    of_queries, of_keys = (next(edge for edge in _EDGES if length % edge == 0) for length in (queries, keys))
    return kernels.BlockSizes(
        **dict.fromkeys(("block_q", "block_q_dkv", "block_q_dq"), of_queries),
        **dict.fromkeys(
            ("block_kv", "block_kv_compute", "block_kv_dkv", "block_kv_dkv_compute", "block_kv_dq"), of_keys
        ),
    )


__all__ = ["splash_attention"]
