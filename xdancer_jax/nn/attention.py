"""Attention over whole sequences, by each platform's best kernel; of one new slot over a cache: nn/cache.py."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

from xdancer_jax import axes
from xdancer_jax.nn.platform import platform
from xdancer_jax.typing import Array, Bool, Float, typechecked

# Scores of one example that may lie in memory at once; 64 MiB in float32. A U-Net at 896x512 would need 3 GiB.
MAX_SCORES = 2**24
_FUSED = "fused_attention"  # checkpoint name of what splash's backward pass needs
_TPU_BLOCKS = (512, 384, 256, 128)  # edges of a splash kernel's blocks; the first that divides the length is taken


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

    Causal self-attention (without a mask, K = L) takes the platform's kernel: cuDNN's on a GPU in half precision,
    splash (Pallas) on a TPU, elsewhere blocks of queries that each see the keys up to their own end. Other calls are
    XLA's; where the scores of one example would exceed MAX_SCORES the queries go through in chunks, which are computed
    again in the backward pass: exact, with memory linear in L.

    Raises:
      ValueError: a causal call with a mask, or with other keys than queries.
    """
    if is_causal:
        if mask is not None or query.shape != key.shape:
            raise ValueError(
                f"causal attention takes no mask and as many keys as queries; got queries {query.shape}, keys "
                f"{key.shape}, mask {None if mask is None else mask.shape}"
            )
        return _causal(query, key, value)
    length, heads = query.shape[1:3]
    chunk = max(1, MAX_SCORES // (heads * key.shape[1]))
    if length <= chunk:
        return jax.nn.dot_product_attention(query, key, value, mask=mask)
    return _chunked(query, key, value, mask, chunk)


def fused_attention_saveable(primitive, *_, **params) -> bool:
    """A policy of jax.checkpoint: keeps what a fused kernel's backward pass needs: its result, sums of exponentials."""
    return primitive.name.startswith("dot_product_attention_fwd") or params.get("name") == _FUSED


def has_cudnn(query: Float[Array, "*shape D"]) -> bool:
    """Whether this platform has cuDNN's attention for the dtype and the head width D of `query`."""
    half, width = query.dtype in (jnp.bfloat16, jnp.float16), query.shape[-1]
    return platform() == "gpu" and half and width <= 128 and width % 8 == 0


def _causal(query: Array, key: Array, value: Array) -> Array:
    if platform() == "tpu":
        return _splash(query, key, value)
    if has_cudnn(query):
        return _causal_cudnn(query, key, value)
    return _causal_blocks(query, key, value)


def _causal_cudnn(query: Array, key: Array, value: Array) -> Array:
    """JAX refuses odd lengths in training; a slot at the end is seen by no other."""
    length = query.shape[1]
    padded = (jnp.pad(x, ((0, 0), (0, length % 2), (0, 0), (0, 0))) for x in (query, key, value))
    return jax.nn.dot_product_attention(*padded, is_causal=True, implementation="cudnn")[:, :length]


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


def _splash(query: Array, key: Array, value: Array) -> Array:
    """JAX's Pallas kernel for TPUs. XLA cannot split it over a mesh, so each device is given its examples and heads."""
    # Pallas takes a second to import, and is of use on a TPU alone.
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_kernel as kernels
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_mask as masks

    length = query.shape[1]
    padded = 128 * math.ceil(length / 128)  # what is added lies behind every real query, which does not look there
    edge = next(size for size in _TPU_BLOCKS if padded % size == 0)
    sizes = dict.fromkeys(
        ("block_q", "block_kv", "block_kv_compute", "block_q_dkv", "block_kv_dkv", "block_kv_dkv_compute", "block_q_dq",
         "block_kv_dq"), edge,
    )

    def local(query: Array, key: Array, value: Array) -> Array:
        pad = ((0, 0), (0, 0), (0, padded - length), (0, 0))
        query, key, value = (jnp.pad(jnp.swapaxes(x, 1, 2), pad) for x in (query, key, value))
        mask = masks.MultiHeadMask([masks.CausalMask((padded, padded))] * query.shape[1])
        kernel = kernels.make_splash_mha(
            mask, block_sizes=kernels.BlockSizes(**sizes), head_shards=1, q_seq_shards=1,
            residual_checkpoint_name=_FUSED,
        )
        out = jax.vmap(kernel)(query * query.shape[-1] ** -0.5, key, value)
        return jnp.swapaxes(out[:, :, :length], 1, 2)

    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty:
        return local(query, key, value)
    spec = nn.logical_to_mesh_axes((axes.BATCH, None, axes.HEADS, None)) or PartitionSpec()
    return jax.shard_map(local, mesh=mesh, in_specs=(spec, spec, spec), out_specs=spec, check_vma=False)(
        query, key, value
    )


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


__all__ = ["attention", "fused_attention_saveable", "has_cudnn"]
