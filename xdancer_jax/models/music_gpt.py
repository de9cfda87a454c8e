"""Cross-conditional autoregressive transformer from music to pose tokens (paper, section 3.3): GPT-2 inside.

Sequence: [G global-music slots][C context frames of S*K slots][T frames of S*K slots]. The slot of token i predicts
token i + 1, and carries the music of the frame of the token it predicts: so p(token of frame t) sees music up to t
and none later. (open: the paper says only that a frame's music is concatenated with its tokens.) The projected
music goes through a causal filter over time first: the paper's Jukebox features hear what came before, librosa's hear
one frame, and a dancer must know how long ago the beat was. The global slots are projections of the song's features
averaged over G equal stretches: averages over the whole song, later parts too.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from xdancer_jax import axes
from xdancer_jax.nn.gpt2 import STDDEV, Block, norm
from xdancer_jax.nn.linear import dense
from xdancer_jax.typing import Array, Float, Int, typechecked

SLOT_SCALE = 0.2  # of what a slot is the sum of: token, position, music (open)
_SLOWEST = 40.0  # frames a radian of the slowest sinusoid of the position table


def _pass_tokens_add_music(key: Array, shape: tuple[int, int], dtype) -> Array:
    """Initial kernel (D + music width, D): token embeddings pass as they are, music is mixed in at the slots' scale."""
    width = shape[1]
    music = jax.random.normal(key, (shape[0] - width, width)) * SLOT_SCALE / (shape[0] - width) ** 0.5
    return jnp.concatenate([jnp.eye(width), music]).astype(dtype)


class Cache(NamedTuple):
    """Keys and values (B, L, N, D/N) of the slots seen so far, zeros for the rest; one array a layer.

    Layers are not stacked: a scan then writes one slot into each array in place, where a stack would be copied.
    """

    keys: tuple[Array, ...]
    values: tuple[Array, ...]


class MusicGPT(nn.Module):
    """GPT-2 (wpe, h_0.., ln_f as in the public weights) over music and pose tokens, with one output head per part.

    Fields:
      num_layers, width D, num_heads: medium 24, 1024, 16; small 12, 768, 12.
      num_parts S, tokens_per_part K, codebook_size V: as the tokenizer's.
      segment_frames T (paper 64), context_frames C (8), global_tokens G (64): they fix the number of positions.
      music_width E: of the projected music that is concatenated with every token's embedding (of width D).
      music_kernel: taps of the causal filter that each of its channels goes through, in frames.
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
    music_kernel: int
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

    def _position_init(self, key: Array, shape: tuple[int, int], dtype) -> Array:
        """Initial position table: what the slots of one place in a frame share, plus sinusoids of the frame's number.

        Two thirds of a dance's tokens repeat those of the frame before, one frame, not one slot, earlier. At tiny size,
        one seed, 160 steps, held-out loss was 1.88 with this table and 2.52 with a random one. GPT-2's may replace it.
        """
        slots = jnp.arange(shape[0]) - self.prefix
        place, frame = slots % self.frame_tokens, slots // self.frame_tokens
        places = jax.random.normal(key, (self.frame_tokens, shape[1]))
        rates = _SLOWEST ** (-jnp.arange(shape[1]) // 2 / (shape[1] // 2))
        angles = frame[:, None] * rates + jnp.arange(shape[1]) % 2 * jnp.pi / 2
        return (SLOT_SCALE * (places[place] + 2**0.5 * jnp.sin(angles))).astype(dtype)

    def setup(self) -> None:
        if not (self.global_music or self.motion_context):
            raise ValueError("MusicGPT: global_music and motion_context cannot both be off; turn one on")
        if self.width % self.num_heads:
            raise ValueError(f"MusicGPT: width {self.width} is not divisible by num_heads {self.num_heads}")
        options = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        table = nn.with_logical_partitioning(nn.initializers.normal(SLOT_SCALE), (axes.VOCAB, axes.EMBED))
        rows = nn.with_logical_partitioning(nn.initializers.normal(STDDEV), (None, axes.EMBED))
        positions = nn.with_logical_partitioning(self._position_init, (None, axes.EMBED))
        heads = nn.with_logical_partitioning(nn.initializers.normal(STDDEV), (None, axes.EMBED, axes.VOCAB))
        self.wpe = self.param("wpe", positions, (self.num_positions, self.width), self.param_dtype)
        self.token_table = self.param(
            "token_table", table, (self.num_parts * self.codebook_size, self.width), self.param_dtype
        )
        self.slot_table = self.param("slot_table", rows, (self.frame_tokens, self.width), self.param_dtype)
        self.music_projection = dense(self.music_width, (None, axes.MLP), "music_projection", **options)
        self.music_filter = nn.Conv(
            self.music_width, (self.music_kernel,), feature_group_count=self.music_width, padding="CAUSAL",
            name="music_filter", **options,
            kernel_init=nn.with_logical_partitioning(nn.initializers.lecun_normal(), (None, None, axes.MLP)),
            bias_init=nn.with_logical_partitioning(nn.initializers.zeros_init(), (axes.MLP,)),
        )
        self.input_projection = nn.Dense(
            self.width, name="input_projection", **options,
            kernel_init=nn.with_logical_partitioning(_pass_tokens_add_music, (axes.MLP, axes.EMBED)),
        )
        if self.global_music:
            scaled = nn.initializers.variance_scaling(SLOT_SCALE**2, "fan_in", "normal")
            self.global_projection = nn.Dense(
                self.width, name="global_projection", **options,
                kernel_init=nn.with_logical_partitioning(scaled, (None, axes.EMBED)),
            )
        block = nn.remat(Block, static_argnums=(2,)) if self.remat else Block
        self.blocks = [
            block(self.num_heads, self.num_layers, self.dropout, self.dtype, self.param_dtype, name=f"h_{i}")
            for i in range(self.num_layers)
        ]
        self.ln_f = norm("ln_f", self.param_dtype)
        self.heads = self.param("heads", heads, (self.num_parts, self.width, self.codebook_size), self.param_dtype)
        self.embedding_dropout = nn.Dropout(self.dropout)

    @typechecked
    def __call__(
        self,
        tokens: Int[Array, "B T S K"],
        context: Int[Array, "B C S K"],
        context_index: Int[Array, "B C"],
        music: Float[Array, "B F M"],
        song: Float[Array, "B G M"],
        train: bool = False,
    ) -> Float[Array, "B T S K V"]:
        """Teacher-forced logits (float32) of every motion token, given all before it. T up to segment_frames.

        music: of a window whose last T frames are the tokens'; context_index: frames of that window that the context
        tokens belong to. With train=True an rng named "dropout" is needed.
        """
        embedded = self.embed_music(music)
        context_music = jnp.take_along_axis(embedded, context_index[:, :, None], axis=1)
        slots = self._slots(context, context_music, song, tokens, embedded[:, music.shape[1] - tokens.shape[1] :])
        slots = slots + self.wpe[: slots.shape[1]].astype(slots.dtype)
        hidden, _ = self._transform(slots, train)
        hidden = hidden[:, self.prefix - 1 : -1].reshape(*tokens.shape, self.width)
        heads = self.heads.astype(self.dtype)
        return jnp.einsum("btskd,sdv->btskv", hidden, heads, preferred_element_type=jnp.float32)

    @typechecked
    def embed_music(self, music: Float[Array, "B F M"]) -> Float[Array, "B F E"]:
        """Music as it joins the tokens. Row t knows frames t - music_kernel + 1 to t; before frame 0, zeros."""
        return self.music_filter(self.music_projection(music))

    @typechecked
    def prefill(
        self,
        context: Int[Array, "B C S K"],
        context_music: Float[Array, "B C E"],
        song: Float[Array, "B G M"],
        first_music: Float[Array, "B E"],
    ) -> tuple[Float[Array, "B V"], Cache]:
        """Logits of the first motion token, and the cache to hand to `step`. Music as `embed_music` gives it.

        first_music: of the first frame.
        """
        slots = self._slots(context, context_music, song, None, first_music[:, None])
        slots = slots + self.wpe[: self.prefix].astype(slots.dtype)
        hidden, (keys, values) = self._transform(slots, False)
        pad = ((0, 0), (0, self.num_positions - self.prefix), (0, 0), (0, 0))
        cache = Cache(*(tuple(jnp.pad(x, pad) for x in arrays) for arrays in (keys, values)))
        return self._logits(hidden[:, -1], 0), cache

    @typechecked
    def step(
        self, token: Int[Array, "B"], index: Int[Array, ""], next_music: Float[Array, "B E"], cache: Cache
    ) -> tuple[Float[Array, "B V"], Cache]:
        """Takes motion token `index` (counted from the segment's first), gives the logits of token index + 1.

        next_music: of the frame of token index + 1, as `embed_music` gives it.
        """
        part = index % self.frame_tokens // self.tokens_per_part
        following = (index + 1) % self.frame_tokens
        embedded = self.token_table[token + part * self.codebook_size].astype(self.dtype)
        slot = self.input_projection(jnp.concatenate([embedded, next_music], axis=-1)) + self.slot_table[following]
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
            projected = jnp.repeat(frame_music, self.frame_tokens, axis=1)
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
