"""MusicGPT token by token: its weights laid out for reading, a key-value cache of static shape, one step.

Decoding reads every weight once a token, so time is bytes over bandwidth. The stacked layers are taken apart once
(slices of a stack would be copied every token), their kernels transposed (see nn.linear.RowDense).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from xdancer_jax.models.music_gpt import MusicGPT
from xdancer_jax.nn import cache as kv
from xdancer_jax.nn.gpt2 import Block, norm
from xdancer_jax.nn.linear import row_products
from xdancer_jax.typing import Array, Float, Int, Params, typechecked

Cache = tuple[kv.Cache, ...]  # of each layer


class Weights(NamedTuple):
    """layers: of each block, kernels (out, in). tokens (S*V, D): what each adds to a slot. places (S*K, D):
    what each place in a frame adds to the slot that predicts it. positions (L, D). heads (S, V, D)."""

    layers: tuple[Params, ...]
    tokens: Array
    places: Array
    positions: Array
    ln_f: Params
    heads: Array


def arrange(model: MusicGPT, params: Params) -> Weights:
    """The weights that `step` reads, matrices in the model's dtype."""

    def lay(path, leaf):
        return leaf.T.astype(model.dtype) if path[-1].key == "kernel" else leaf

    layers = (jax.tree.map(lambda leaf, i=i: leaf[i], params["h"]) for i in range(model.num_layers))
    layers = tuple(jax.tree_util.tree_map_with_path(lay, layer) for layer in layers)
    silence = jnp.zeros((1, 1, params["music_projection"]["kernel"].shape[0]))
    tokens, _ = model.apply({"params": params}, silence, method="embed")
    heads = jnp.swapaxes(params["heads"], 1, 2).astype(model.dtype)
    return Weights(layers, tokens, params["slot_table"], params["wpe"], params["ln_f"], heads)


def empty_cache(model: MusicGPT, rows: int) -> Cache:
    """Memory for `rows` dances, all zeros."""
    shape = (rows, model.num_positions, model.num_heads, model.width // model.num_heads)
    return tuple(kv.empty(*shape, model.dtype) for _ in range(model.num_layers))


@typechecked
def prefill(
    model: MusicGPT,
    params: Params,
    tokens: Int[Array, "B T S K"],
    context: Int[Array, "B C S K"],
    context_music: Float[Array, "B C D"],
    song: Float[Array, "B G M"],
    music: Float[Array, "B T D"],
    cache: Cache,
) -> Cache:
    """Cache after the slots of global music, context and the frames `tokens`, in one packed pass. Music as `embed`
    gives it. Of frames that are not known yet anything may be given: `step` writes over their slots. cache: an empty
    one or that of an earlier segment, whose first slots are written over: to fill a new one takes longer."""
    variables = {"params": params}
    table, _ = model.apply(variables, jnp.zeros((1, 1, song.shape[2])), method="embed")
    slots = model.apply(variables, table, tokens, context, context_music, song, music, method="slots")
    _, (keys, values) = model.apply(variables, slots, keep_cache=True, method="transform")
    return tuple(kv.write(layer, keys[i], values[i], 0) for i, layer in enumerate(cache))


@typechecked
def step(
    model: MusicGPT, weights: Weights, token: Int[Array, "B"], index: Int[Array, ""], music: Float[Array, "B D"],
    cache: Cache,
) -> tuple[Float[Array, "B V"], Cache]:
    """Takes motion token `index` (counted from the segment's first), gives the logits (float32) of token index + 1.

    music: of the frame of token index + 1, as `embed` gives it.
    """
    following = (index + 1) % model.frame_tokens
    part = index % model.frame_tokens // model.tokens_per_part
    position = model.prefix + index
    slot = weights.tokens[token + part * model.codebook_size] + weights.places[following].astype(model.dtype) + music
    x = (slot + weights.positions[position]).astype(model.dtype)
    block = Block(model.num_heads, model.num_layers, model.dropout, model.dtype, model.param_dtype)
    written = []
    for layer, old in zip(weights.layers, cache, strict=True):
        x, new = block.apply({"params": layer}, x, cache=old, position=position)
        written.append(new)
    x = norm(None, model.param_dtype).apply({"params": weights.ln_f}, x).astype(model.dtype)
    head = weights.heads[following // model.tokens_per_part]
    return row_products(x, head).astype(jnp.float32), tuple(written)


__all__ = ["Cache", "Weights", "arrange", "empty_cache", "prefill", "step"]
