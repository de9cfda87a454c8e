"""Cross-conditional autoregressive transformer from music to pose tokens (paper, section 3.3): GPT-2 inside.

Sequence: [G global-music slots][C context frames of S*K slots][T frames of S*K slots]. The slot of token i predicts
token i + 1, and carries the music of the frame of the token it predicts: so p(token of frame t) sees music up to t
and none later. (open: the paper says only that a frame's music is concatenated with its tokens.) The global slots are
projections of the song's features averaged over G equal stretches: averages over the whole song, later parts too.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from xdancer_jax import axes
from xdancer_jax.nn.attention import attention
from xdancer_jax.nn.linear import dense
from xdancer_jax.typing import Array, Float, Int, typechecked

_STDDEV = 0.02  # GPT-2


class Cache(NamedTuple):
    """Keys and values (B, L, N, D/N) of the slots seen so far, zeros for the rest; one array a layer.

    Layers are not stacked: a scan then writes one slot into each array in place, where a stack would be copied.
    """

    keys: tuple[Array, ...]
    values: tuple[Array, ...]


class Attention(nn.Module):
    """GPT-2 attention with the fused query-key-value projection `c_attn`."""

    num_heads: int
    num_layers: int
    dtype: str
    param_dtype: str

    @nn.compact
    @typechecked
    def __call__(
        self, x: Float[Array, "B L D"], cached: tuple[Array, Array] | None = None, position: Array | None = None
    ) -> tuple[Float[Array, "B L D"], Array, Array]:
        """Output, keys and values. Causal over x itself; or, with `cached` keys and values (B, L', N, D/N), x is the
        one slot at `position`: it is written into them and looks at all slots up to itself."""
        width = x.shape[-1]
        options = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        fused = dense(3 * width, (axes.EMBED, axes.HEADS), "c_attn", stddev=_STDDEV, **options)(x)
        heads = (*x.shape[:2], self.num_heads, width // self.num_heads)
        query, key, value = (part.reshape(heads) for part in jnp.split(fused, 3, axis=-1))
        if cached is None:
            out = attention(query, key, value, is_causal=True)
        else:
            key = jax.lax.dynamic_update_slice_in_dim(cached[0], key, position, axis=1)
            value = jax.lax.dynamic_update_slice_in_dim(cached[1], value, position, axis=1)
            seen = (jnp.arange(key.shape[1]) <= position)[None, None, None]
            out = attention(query, key, value, mask=seen)
        residual = _STDDEV / (2 * self.num_layers) ** 0.5
        out = dense(width, (axes.HEADS, axes.EMBED), "c_proj", stddev=residual, **options)(out.reshape(x.shape))
        return out, key, value


class FeedForward(nn.Module):
    """GPT-2 MLP: four times the width, tanh-approximated gelu."""

    num_layers: int
    dtype: str
    param_dtype: str

    @nn.compact
    @typechecked
    def __call__(self, x: Float[Array, "B L D"]) -> Float[Array, "B L D"]:
        width = x.shape[-1]
        options = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        hidden = dense(4 * width, (axes.EMBED, axes.MLP), "c_fc", stddev=_STDDEV, **options)(x)
        residual = _STDDEV / (2 * self.num_layers) ** 0.5
        return dense(width, (axes.MLP, axes.EMBED), "c_proj", stddev=residual, **options)(nn.gelu(hidden))


class Block(nn.Module):
    """Pre-norm GPT-2 block. Dropout on both residual branches; not on attention weights (fused kernels have none)."""

    num_heads: int
    num_layers: int
    dropout: float
    dtype: str
    param_dtype: str

    @nn.compact
    def __call__(self, x: Array, train: bool, cached=None, position=None) -> tuple[Array, Array, Array]:
        """x (B, L, D) -> the same shape, and the keys and values of Attention."""
        options = {"num_layers": self.num_layers, "dtype": self.dtype, "param_dtype": self.param_dtype}
        drop = nn.Dropout(self.dropout, deterministic=not train)
        hidden, keys, values = Attention(self.num_heads, name="attn", **options)(
            _norm("ln_1", self.param_dtype)(x).astype(self.dtype), cached, position
        )
        x = x + drop(hidden)
        hidden = FeedForward(name="mlp", **options)(_norm("ln_2", self.param_dtype)(x).astype(self.dtype))
        return x + drop(hidden), keys, values


class MusicGPT(nn.Module):
    """GPT-2 (wpe, h_0.., ln_f as in the public weights) over music and pose tokens, with one output head per part.

    Fields:
      num_layers, width D, num_heads: medium 24, 1024, 16; small 12, 768, 12.
      num_parts S, tokens_per_part K, codebook_size V: as the tokenizer's.
      segment_frames T (paper 64), context_frames C (8), global_tokens G (64): they fix the number of positions.
      music_width: of the projected music that is concatenated with every token's embedding (of width D).
      global_music, motion_context: False leaves those slots out (ablations); not both, for the first token of a
        segment is predicted by the slot before it.
      dropout: GPT-2 has 0.1. remat: recompute blocks in the backward pass.
    """

    num_layers: int
    width: int
    num_heads: int
    num_parts: int
    tokens_per_part: int
    codebook_size: int
    segment_frames: int
    context_frames: int
    global_tokens: int
    music_width: int
    global_music: bool
    motion_context: bool
    dropout: float
    remat: bool
    dtype: str = "float32"
    param_dtype: str = "float32"

    @property
    def frame_tokens(self) -> int:
        """S*K: tokens of a frame."""
        return self.num_parts * self.tokens_per_part

    @property
    def prefix(self) -> int:
        """Slots before the first motion token."""
        return self.global_music * self.global_tokens + self.motion_context * self.context_frames * self.frame_tokens

    @property
    def num_positions(self) -> int:
        """Slots in all; paper 64 + 240 + 1920 = 2224."""
        return self.prefix + self.segment_frames * self.frame_tokens

    def setup(self) -> None:
        if not (self.global_music or self.motion_context):
            raise ValueError("MusicGPT: global_music and motion_context cannot both be off; turn one on")
        if self.width % self.num_heads:
            raise ValueError(f"MusicGPT: width {self.width} is not divisible by num_heads {self.num_heads}")
        options = {"dtype": self.dtype, "param_dtype": self.param_dtype, "stddev": _STDDEV}
        table = nn.with_logical_partitioning(nn.initializers.normal(_STDDEV), (axes.VOCAB, axes.EMBED))
        rows = nn.with_logical_partitioning(nn.initializers.normal(_STDDEV), (None, axes.EMBED))
        heads = nn.with_logical_partitioning(nn.initializers.normal(_STDDEV), (None, axes.EMBED, axes.VOCAB))
        self.wpe = self.param("wpe", rows, (self.num_positions, self.width), self.param_dtype)
        self.token_table = self.param(
            "token_table", table, (self.num_parts * self.codebook_size, self.width), self.param_dtype
        )
        self.slot_table = self.param("slot_table", rows, (self.frame_tokens, self.width), self.param_dtype)
        self.music_projection = dense(self.music_width, (None, axes.MLP), "music_projection", **options)
        self.input_projection = dense(self.width, (axes.MLP, axes.EMBED), "input_projection", **options)
        if self.global_music:
            self.global_projection = dense(self.width, (None, axes.EMBED), "global_projection", **options)
        block = nn.remat(Block, static_argnums=(2,)) if self.remat else Block
        self.blocks = [
            block(self.num_heads, self.num_layers, self.dropout, self.dtype, self.param_dtype, name=f"h_{i}")
            for i in range(self.num_layers)
        ]
        self.ln_f = _norm("ln_f", self.param_dtype)
        self.heads = self.param("heads", heads, (self.num_parts, self.width, self.codebook_size), self.param_dtype)
        self.embedding_dropout = nn.Dropout(self.dropout)

    @typechecked
    def __call__(
        self,
        tokens: Int[Array, "B T S K"],
        music: Float[Array, "B T M"],
        context: Int[Array, "B C S K"],
        context_music: Float[Array, "B C M"],
        song: Float[Array, "B G M"],
        train: bool = False,
    ) -> Float[Array, "B T S K V"]:
        """Teacher-forced logits (float32) of every motion token, given all before it. T up to segment_frames.

        With train=True an rng named "dropout" is needed.
        """
        slots = self._slots(context, context_music, song, tokens, music)
        slots = slots + self.wpe[: slots.shape[1]].astype(slots.dtype)
        hidden, _ = self._transform(slots, train)
        hidden = hidden[:, self.prefix - 1 : -1].reshape(*tokens.shape, self.width)
        heads = self.heads.astype(self.dtype)
        return jnp.einsum("btskd,sdv->btskv", hidden, heads, preferred_element_type=jnp.float32)

    @typechecked
    def prefill(
        self,
        context: Int[Array, "B C S K"],
        context_music: Float[Array, "B C M"],
        song: Float[Array, "B G M"],
        first_music: Float[Array, "B M"],
    ) -> tuple[Float[Array, "B V"], Cache]:
        """Logits of the first motion token, and the cache to hand to `step`. first_music: of the first frame."""
        slots = self._slots(context, context_music, song, None, first_music[:, None])
        slots = slots + self.wpe[: self.prefix].astype(slots.dtype)
        hidden, (keys, values) = self._transform(slots, False)
        pad = ((0, 0), (0, self.num_positions - self.prefix), (0, 0), (0, 0))
        cache = Cache(*(tuple(jnp.pad(x, pad) for x in arrays) for arrays in (keys, values)))
        return self._logits(hidden[:, -1], 0), cache

    @typechecked
    def step(
        self, token: Int[Array, "B"], index: Int[Array, ""], next_music: Float[Array, "B M"], cache: Cache
    ) -> tuple[Float[Array, "B V"], Cache]:
        """Takes motion token `index` (counted from the segment's first), gives the logits of token index + 1.

        next_music: of the frame of token index + 1.
        """
        part = index % self.frame_tokens // self.tokens_per_part
        following = (index + 1) % self.frame_tokens
        music = self.music_projection(next_music)
        embedded = self.token_table[token + part * self.codebook_size].astype(self.dtype)
        slot = self.input_projection(jnp.concatenate([embedded, music], axis=-1)) + self.slot_table[following]
        position = self.prefix + index
        slot = (slot + self.wpe[position]).astype(self.dtype)
        hidden, (keys, values) = self._transform(slot[:, None], False, cache, position)
        return self._logits(hidden[:, 0], following // self.tokens_per_part), Cache(tuple(keys), tuple(values))

    def _slots(self, context, context_music, song, tokens, music) -> Array:
        """Input slots (B, L, D) without positions; with tokens=None only those before the first motion token."""
        frames = [] if tokens is None else [tokens]
        frame_music = music
        if self.motion_context:
            frames = [context, *frames]
            frame_music = jnp.concatenate([context_music, music], axis=1)
        slots = []
        if self.global_music:
            slots.append(self.global_projection(song))
        if frames:
            ids = jnp.concatenate(frames, axis=1) + jnp.arange(self.num_parts)[:, None] * self.codebook_size
            ids = ids.reshape(ids.shape[0], -1)
            length = ids.shape[1]
            # music of the token that follows; past the very last token there is none, and its slot predicts nothing
            projected = jnp.repeat(self.music_projection(frame_music), self.frame_tokens, axis=1)
            projected = jnp.concatenate([projected[:, 1:], projected[:, -1:]], axis=1)[:, :length]
            embedded = jnp.concatenate([self.token_table[ids].astype(self.dtype), projected], axis=-1)
            place = self.slot_table[(jnp.arange(length) + 1) % self.frame_tokens].astype(self.dtype)
            slots.append(self.input_projection(embedded) + place)
        return jnp.concatenate(slots, axis=1).astype(self.dtype)

    def _transform(self, x: Array, train: bool, cache: Cache | None = None, position: Array | None = None):
        x = self.embedding_dropout(x, deterministic=not train)
        keys, values = [], []
        for i, block in enumerate(self.blocks):
            cached = None if cache is None else (cache.keys[i], cache.values[i])
            x, key, value = block(x, train, cached, position)
            keys.append(key)
            values.append(value)
        return self.ln_f(x).astype(self.dtype), (keys, values)

    def _logits(self, hidden: Array, part: int | Array) -> Array:
        head = self.heads[part].astype(self.dtype)
        return jnp.einsum("bd,dv->bv", hidden, head, preferred_element_type=jnp.float32)


def _norm(name: str, param_dtype: str) -> nn.LayerNorm:
    scale = nn.with_logical_partitioning(nn.initializers.ones_init(), (axes.EMBED,))
    bias = nn.with_logical_partitioning(nn.initializers.zeros_init(), (axes.EMBED,))
    return nn.LayerNorm(
        epsilon=1e-5, dtype="float32", param_dtype=param_dtype, scale_init=scale, bias_init=bias, name=name
    )
