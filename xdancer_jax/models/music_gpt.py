"""Cross-conditional autoregressive transformer from music to pose tokens (paper, section 3.3): GPT-2 inside.

Sequence: [G global-music slots][C context frames of S*K slots][T frames of S*K slots]. The slot of token i predicts
token i + 1, and carries the music of the frame of the token it predicts: so p(token of frame t) sees music up to t
and none later. (open: the paper says only that a frame's music is concatenated with its tokens.) The global slots are
projections of the song's features averaged over G equal stretches: averages over the whole song, later parts too.

Ours, beyond the paper: with `music_kernel` > 0 the projected music goes through a causal filter over time first. The
paper's Jukebox features hear what came before, librosa's hear one frame, and a dancer must know how long ago the beat
was.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from xdancer_jax import axes
from xdancer_jax.nn.batch_split import keep_batch_split, keep_whole
from xdancer_jax.nn.dropout import Dropout
from xdancer_jax.nn.embeddings import lookup
from xdancer_jax.nn.gpt2 import STDDEV, Block, norm
from xdancer_jax.nn.linear import dense
from xdancer_jax.nn.platform import platform
from xdancer_jax.nn.remat import recomputed
from xdancer_jax.rng import Chance
from xdancer_jax.typing import Array, Float, Int, typechecked

SLOT_SCALE = 0.2  # of what a slot is the sum of: token, position, music (open)
_SLOWEST = 40.0  # frames a radian of the slowest sinusoid of the position table


def _unrolled(remat: str) -> bool:
    """Whether the layers follow one another without a loop, see MusicGPT._layers."""
    return platform() == "gpu" or (platform() == "cpu" and remat == "none")


def _pass_tokens_add_music(key: Array, shape: tuple[int, int], dtype) -> Array:
    """Initial kernel (D + music width, D): token embeddings pass as they are, music is mixed in at the slots' scale."""
    width = shape[1]
    music = jax.random.normal(key, (shape[0] - width, width)) * SLOT_SCALE / (shape[0] - width) ** 0.5
    return jnp.concatenate([jnp.eye(width), music]).astype(dtype)


class InputProjection(nn.Module):
    """One linear layer over [token embedding, music], applied to the two apart: it is linear, there are fewer different
    tokens than slots, and the music of a frame's slots is one and the same."""

    width: int
    dtype: str
    param_dtype: str

    @nn.compact
    @typechecked
    def __call__(
        self, table: Float[Array, "R D"], music: Float[Array, "B F E"]
    ) -> tuple[Float[Array, "R D"], Float[Array, "B F D"]]:
        """What each token and what each frame's music adds to a slot."""
        shape = (table.shape[1] + music.shape[2], self.width)
        kernel_init = nn.with_logical_partitioning(_pass_tokens_add_music, (axes.MLP, axes.EMBED))
        bias_init = nn.with_logical_partitioning(nn.initializers.zeros_init(), (axes.EMBED,))
        kernel = self.param("kernel", kernel_init, shape, self.param_dtype).astype(self.dtype)
        bias = self.param("bias", bias_init, (self.width,), self.param_dtype).astype(self.dtype)
        tokens, frames = jnp.split(kernel, [table.shape[1]])
        return table.astype(self.dtype) @ tokens, keep_batch_split(music @ frames + bias)


class MusicGPT(nn.Module):
    """GPT-2 (wpe, h, ln_f as in the public weights, layers stacked) over music and pose tokens; one head per part.

    Fields:
      num_layers, width D, num_heads: medium 24, 1024, 16; small 12, 768, 12.
      num_parts S, tokens_per_part K, codebook_size V: as the tokenizer's.
      segment_frames T (paper 64), context_frames C (8), global_tokens G (64): they fix the number of positions.
      music_width E: of the projected music that is concatenated with every token's embedding (of width D).
      music_kernel: taps of the causal filter that each of its channels goes through, in frames; 0 (the paper) for no
        filter and none of its weights.
      global_music, motion_context: False leaves those slots out (ablations); not both, for the first token of a
        segment is predicted by the slot before it.
      dropout: GPT-2 has 0.1. remat: what is kept of a block for the backward pass, a name of nn.remat.POLICIES.
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
    remat: str
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

    def _check(self) -> None:
        if not (self.global_music or self.motion_context):
            raise ValueError("MusicGPT: global_music and motion_context cannot both be off; turn one on")
        if self.width % self.num_heads:
            raise ValueError(f"MusicGPT: width {self.width} is not divisible by num_heads {self.num_heads}")
        if self.music_kernel < 0:
            raise ValueError(f"MusicGPT: music_kernel {self.music_kernel} must be 0 (no filter) or more")

    def setup(self) -> None:
        self._check()
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
        if self.music_kernel:
            self.music_filter = nn.Conv(
                self.music_width, (self.music_kernel,), feature_group_count=self.music_width, padding="CAUSAL",
                name="music_filter", **options,
                kernel_init=nn.with_logical_partitioning(nn.initializers.lecun_normal(), (None, None, axes.MLP)),
                bias_init=nn.with_logical_partitioning(nn.initializers.zeros_init(), (axes.MLP,)),
            )
        self.input_projection = InputProjection(self.width, name="input_projection", **options)
        if self.global_music:
            scaled = nn.initializers.variance_scaling(SLOT_SCALE**2, "fan_in", "normal")
            self.global_projection = nn.Dense(
                self.width, name="global_projection", **options,
                kernel_init=nn.with_logical_partitioning(scaled, (None, axes.EMBED)),
            )
        self.ln_f = norm("ln_f", self.param_dtype)
        self.heads = self.param("heads", heads, (self.num_parts, self.width, self.codebook_size), self.param_dtype)
        self.embedding_dropout = Dropout(self.dropout)

    @nn.compact
    def _layers(self, x: Array, chance: Chance | None, keep_cache: bool) -> tuple[Array, tuple[Array, Array] | None]:
        """x (B, L, D) through all blocks, and their keys and values (num_layers, B, L, N, D/N) if they are wanted.

        A loop copies weights, residuals and gradients: a fifth of a training step on a CPU, 8% on an H200. There
        the layers follow one another without a loop, on a CPU only where nothing is computed again (XLA would undo it).
        """
        unrolled = _unrolled(self.remat)
        stack = nn.scan(
            recomputed(Block, self.remat, prevent_cse=unrolled), variable_axes={"params": 0},
            split_rngs={"params": True, "dropout": True}, in_axes=nn.broadcast,
            length=self.num_layers, metadata_params={nn.PARTITION_NAME: axes.LAYERS},
            unroll=self.num_layers if unrolled else 1,
        )
        fields = (self.num_heads, self.num_layers, self.dropout, self.dtype, self.param_dtype, keep_cache)
        return stack(*fields, name="h")(x, chance)

    @typechecked
    def __call__(
        self,
        tokens: Int[Array, "B T S K"],
        context: Int[Array, "B C S K"],
        context_index: Int[Array, "B C"],
        music: Float[Array, "B F M"],
        song: Float[Array, "B G M"],
        chance: Chance | None = None,
    ) -> Float[Array, "B T S K V"]:
        """Teacher-forced logits (float32) of every motion token, given all before it. T up to segment_frames.

        music: of a window whose last T frames are the tokens'; context_index: frames of that window that the context
        tokens belong to. chance: in training, where an rng named "dropout" is needed.
        """
        table, added = self.embed(music)
        context_music = keep_batch_split(jnp.take_along_axis(added, context_index[:, :, None], axis=1))
        slots = self.slots(table, tokens, context, context_music, song, added[:, music.shape[1] - tokens.shape[1] :])
        hidden, _ = self.transform(slots, chance)
        hidden = keep_batch_split(hidden[:, self.prefix - 1 : -1].reshape(*tokens.shape, self.width))
        # Parts first: XLA's CPU client has no other batched product of bfloat16 with float32 sums.
        parts, heads = jnp.moveaxis(hidden, 2, 0), self.heads.astype(self.dtype)
        logits = jnp.einsum("sbtkd,sdv->sbtkv", parts, heads, preferred_element_type=jnp.float32)
        return keep_batch_split(jnp.moveaxis(logits, 0, 2))

    @typechecked
    def embed(self, music: Float[Array, "B F M"]) -> tuple[Float[Array, "R D"], Float[Array, "B F D"]]:
        """What each of the R = S*V tokens, and what the music of each frame, adds to a slot.

        Music of frame t knows frames t - music_kernel + 1 to t (before frame 0, zeros); with no filter, frame t alone.
        """
        projected = keep_batch_split(self.music_projection(music))
        if self.music_kernel:
            projected = self.music_filter(projected)
        return self.input_projection(self.token_table, projected)

    @typechecked
    def slots(
        self,
        table: Float[Array, "R D"],
        tokens: Int[Array, "B T S K"],
        context: Int[Array, "B C S K"],
        context_music: Float[Array, "B C D"],
        song: Float[Array, "B G M"],
        music: Float[Array, "B T D"],
    ) -> Float[Array, "B L D"]:
        """Input slots with positions: global music, context, tokens. table and music as `embed` gives them."""
        slots = [keep_batch_split(self.global_projection(song))] if self.global_music else []
        if self.motion_context:
            tokens = jnp.concatenate([context, tokens], axis=1)
            music = jnp.concatenate([context_music, music], axis=1)
        ids = tokens + jnp.arange(self.num_parts)[:, None] * self.codebook_size
        # A slot has the music of the token that follows. Past the last there is none, and its slot predicts nothing.
        following = jnp.repeat(music, self.frame_tokens, axis=1)
        following = jnp.concatenate([following[:, 1:], following[:, -1:]], axis=1)
        place = jnp.roll(self.slot_table, -1, axis=0).astype(self.dtype)  # of the token that follows
        summed = keep_batch_split(lookup(keep_whole(table), ids.reshape(*ids.shape[:2], -1))) + place
        slots.append(summed.reshape(following.shape) + following)
        slots = jnp.concatenate(slots, axis=1)
        return keep_batch_split((slots + self.wpe[: slots.shape[1]]).astype(self.dtype))

    @typechecked
    def transform(
        self, slots: Float[Array, "B L D"], chance: Chance | None = None, keep_cache: bool = False
    ) -> tuple[Float[Array, "B L D"], tuple[Array, Array] | None]:
        """Slots through all blocks and the last norm; with `keep_cache` also their keys and values, layers first."""
        hidden, kept = self._layers(self.embedding_dropout(slots, chance), chance, keep_cache)
        return self.ln_f(hidden).astype(self.dtype), kept
