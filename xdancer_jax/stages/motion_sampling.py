"""Whole songs from the motion stage: overlapping segments, frame by frame (paper, "Inference").

Rows of a batch are dances of their own: another song, start or seed each. On one machine's CPU a row's tokens are a
function of its song, its start and its seed alone, whatever the batch and the number of devices. On accelerators the
rows share products, whose rounding depends on their number. Weights stay where they are; nothing is sent implicitly.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from xdancer_jax import decoding
from xdancer_jax.models import music_decoder
from xdancer_jax.models.music_decoder import Cache, Weights
from xdancer_jax.models.music_gpt import MusicGPT
from xdancer_jax.models.pose_tokenizer import PoseTokenizer
from xdancer_jax.stages import lengths
from xdancer_jax.stages.tokenizer import check_tokens, decode, encode
from xdancer_jax.typing import Array, Float, Int, Params, PyTree, typechecked

_ROWS = "data"  # mesh axis over which the dances of a batch are split
_SPLIT = PartitionSpec(_ROWS)


@dataclasses.dataclass(frozen=True)
class Sampling:
    """How a token is drawn (decoding.sample): one value for all parts or one a part. (open: the paper is silent.)"""

    temperature: tuple[float, ...] = (1.0,)
    top_k: tuple[int, ...] = (0,)
    top_p: tuple[float, ...] = (1.0,)

    def of_parts(self, parts: int) -> list[tuple[float, int, float]]:
        """(temperature, top_k, top_p) of each part. Raises ValueError for another number or values out of range."""
        columns = []
        for name, values in dataclasses.asdict(self).items():
            if len(values) not in (1, parts):
                raise ValueError(f"sampling.{name}={values}: give one value, or one for each of the {parts} parts")
            columns.append(values * (parts // len(values)))
        settings = list(zip(*columns, strict=True))
        for setting in settings:
            decoding.check(*setting)
        return settings


@dataclasses.dataclass(frozen=True)
class Segments:
    """How a song is cut.

    Attributes:
      overlap: frames of a segment that are the last ones of the segment before, taken as they are (paper 12).
      context_span: frames before a segment from which its context frames are drawn (the loader's P, paper 64).
    """

    overlap: int
    context_span: int


@typechecked
def stream(
    model: MusicGPT,
    params: Params,
    music: Float[np.ndarray, "B F M"],
    song: Float[np.ndarray, "B G M"],
    given: Int[np.ndarray, "B n S K"],
    *,
    seeds: Sequence[int],
    sampling: Sampling,
    segments: Segments,
    mesh: Mesh | None = None,
) -> Iterator[np.ndarray]:
    """Yields the tokens (B, f, S, K) of finished frames while later ones are being made, F frames in all.

    given: tokens of the first n frames, from which the dance goes on: of a photo's pose (n = 1), or of a dance. Before
    frame 0 the dancer stands still in the first pose, without music. A segment of T frames starts `overlap` frames
    before the end of what is known; its context frames are drawn from the span before it, uniformly, without repeats
    and in order. The same compiled functions make every segment of every song. `song` is the pooled song as the loader
    pools it. `mesh`: its axis "data" splits the batch, and every device of it has all of `params`.

    Raises:
      ValueError: settings that do not fit, music of another feature set than the model's, no frame in `given`, tokens
        out of range.
    """
    run = _Run(model, params, sampling, segments, mesh)
    run.check(music, song, given, seeds)
    weights = _arrange(model, params)
    known, frames = min(given.shape[1], music.shape[1]), music.shape[1]
    before, behind = segments.context_span, segments.overlap
    padded = np.pad(music, ((0, 0), (before, behind), (0, 0)))
    added = run.embed(padded)
    given = given[:, :known].astype(np.int32)
    tokens = np.repeat(given[:, :1], before + frames + behind, axis=1)  # what is not made yet is never looked at
    tokens[:, before : before + known] = given
    yield given
    cache = _empty_cache(model, mesh, len(music))
    while known < frames:
        first = max(0, known - behind)
        chosen = np.stack([_context(seed, first, before, model.context_frames) for seed in seeds])
        window = slice(before + first, before + first + behind)
        cache = run.prefill(
            cache, tokens[:, window], np.take_along_axis(tokens, chosen[:, :, None, None], axis=1),
            np.take_along_axis(added, chosen[:, :, None], axis=1), song, added[:, window],
        )
        last = min(first + model.segment_frames, frames)
        newest = tokens[:, before + known - 1]
        made = run.frames(weights, cache, newest, added[:, before:], seeds, range(known, last), first)
        for frame, filled in made:
            tokens[:, before + known] = frame
            cache = filled  # the next segment writes over the last one
            known += 1
            yield frame[:, None]


def _context(seed: int, first: int, span: int, count: int) -> np.ndarray:
    """`count` of the `span` frames before frame `first`, as places in an array with `span` frames before frame 0."""
    return first + np.sort(np.random.default_rng((seed, first)).permutation(span)[:count])


class _Run:
    """The compiled functions over one model's weights, split over a mesh if there is one."""

    def __init__(self, model: MusicGPT, params: Params, sampling: Sampling, segments: Segments, mesh: Mesh | None):
        self._model, self._params, self._segments, self._mesh = model, params, segments, mesh
        self._settings = tuple(sampling.of_parts(model.num_parts))

    def check(self, music: np.ndarray, song: np.ndarray, given: np.ndarray, seeds: Sequence[int]) -> None:
        """Raises ValueError for arguments that do not fit; see stream."""
        check_tokens(given, self._model.num_parts, self._model.tokens_per_part, self._model.codebook_size)
        features = self._params["music_projection"]["kernel"].shape[0]
        if music.shape[2] != features or song.shape[2] != features:
            raise ValueError(
                f"music has {music.shape[2]} features a frame, the model was trained on {features}: give those"
            )
        size, overlap, span = self._model.segment_frames, self._segments.overlap, self._segments.context_span
        if not 0 < overlap < size or span < self._model.context_frames:
            raise ValueError(
                f"sampling needs 0 < overlap < {size} (segment) and context_span >= {self._model.context_frames} "
                f"(context frames); got overlap {overlap} and context_span {span}"
            )
        if given.shape[1] == 0 or len(seeds) != len(music):
            raise ValueError(
                f"sampling needs a first frame and a seed a song; got {given.shape[1]} frames, {len(seeds)} seeds, "
                f"{len(music)} songs"
            )
        if any(not 0 <= seed < 2**32 for seed in seeds):
            raise ValueError(f"seeds {list(seeds)}: must lie in [0, 2^32)")

    def embed(self, music: np.ndarray) -> np.ndarray:
        whole = lengths.filled(music)  # later music changes nothing
        return jax.device_get(_embed(self._model, self._params, _beside(self._params, whole)))

    def prefill(self, cache: Cache, *rows: np.ndarray) -> Cache:
        return _prefill(self._model, self._mesh, cache, self._params, *self._put(rows, _SPLIT))

    def _put(self, values: PyTree, spec: PartitionSpec) -> PyTree:
        mesh = self._mesh
        return _beside(self._params, values) if mesh is None else jax.device_put(values, NamedSharding(mesh, spec))

    def frames(
        self, weights: Weights, cache: Cache, before: np.ndarray, added: np.ndarray, seeds: Sequence[int],
        frames: range, first: int,
    ) -> Iterator[tuple[np.ndarray, Cache]]:
        """Tokens (B, S, K) of `frames`, one by one, and the newest cache; each is read once the next is under way, and
        the caches before are used up. before: of the frame before them. added (B, F, D): of each frame's music. first:
        frame of the song at which the segment starts."""
        shape, pending = before.shape, None
        last, seeds = self._put((before.reshape(len(before), -1)[:, -1], np.asarray(seeds, np.uint32)), _SPLIT)
        for frame in frames:
            place = self._put(np.array([frame, frame - first], np.int32), PartitionSpec())
            music = self._put(added[:, frame], _SPLIT)
            drawn, cache = _frame(self._model, self._settings, self._mesh, weights, place, last, music, seeds, cache)
            last = _last(drawn)
            if pending is not None:
                yield jax.device_get(pending).reshape(shape), cache
            pending = drawn
        yield jax.device_get(pending).reshape(shape), cache


def _beside(weights: PyTree, values: PyTree) -> PyTree:
    """`values` on every device that has the weights."""
    place = jax.tree.leaves(weights)[0].sharding
    if isinstance(place, NamedSharding):
        place = NamedSharding(place.mesh, PartitionSpec())
    return jax.device_put(values, place)


_last = jax.jit(lambda drawn: drawn[:, -1])
_arrange = functools.partial(jax.jit, static_argnums=0)(music_decoder.arrange)


@functools.partial(jax.jit, static_argnums=0)
def _embed(model: MusicGPT, params: Params, music: Array) -> Array:
    return model.apply({"params": params}, music, method="embed")[1]


def _by_rows(function: Callable, mesh: Mesh | None, whole: int) -> Callable:
    """`function` over the mesh: its first `whole` arguments are on every device, the others and the results are split
    by rows. Each device runs the program of one device, so that nothing depends on their number."""
    if mesh is None:
        return function

    def run(*args):
        in_specs = tuple(PartitionSpec() if i < whole else _SPLIT for i in range(len(args)))
        return jax.shard_map(
            function, mesh=mesh, in_specs=in_specs, out_specs=_SPLIT, check_vma=False
        )(*args)

    return run


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _empty_cache(model: MusicGPT, mesh: Mesh | None, rows: int) -> Cache:
    cache = music_decoder.empty_cache(model, rows)
    return cache if mesh is None else jax.lax.with_sharding_constraint(cache, NamedSharding(mesh, _SPLIT))


@functools.partial(jax.jit, static_argnums=(0, 1), donate_argnums=2)
def _prefill(model: MusicGPT, mesh: Mesh | None, cache: Cache, params: Params, *rows: Array) -> Cache:
    return _by_rows(functools.partial(music_decoder.prefill, model), mesh, 1)(params, *rows, cache)


@functools.partial(jax.jit, static_argnums=(0, 1, 2), donate_argnums=8)
def _frame(model, settings, mesh, weights, place, last, music, seeds, cache):
    return _by_rows(functools.partial(draw_frame, model, settings), mesh, 2)(
        weights, place, last, music, seeds, cache
    )


def draw_frame(
    model: MusicGPT, settings: Sequence[tuple[float, int, float]], weights: Weights, place: Array, last: Array,
    music: Array, seeds: Array, cache: Cache,
) -> tuple[Array, Cache]:
    """Tokens (B, S*K) of one frame, and the cache with their slots but the last's.

    settings: (temperature, top_k, top_p) of each part. place: the frame's number in the song, and in the segment (from
    1 on). last (B,): the token before. music (B, D): what the frame's adds. seeds (B,). The key of a token is folded
    from its row's seed, its frame in the song and its place in the frame.
    """
    temperature, top_k, top_p = (jnp.asarray(column) for column in zip(*settings, strict=True))
    keys = jax.vmap(lambda seed: jax.random.fold_in(jax.random.key(seed), place[0]))(seeds)

    def body(carry, i):
        token, cache = carry
        index = place[1] * model.frame_tokens + i - 1
        logits, cache = music_decoder.step(model, weights, token, index, music, cache)
        part = i // model.tokens_per_part
        own = jax.vmap(lambda key: jax.random.fold_in(key, i))(keys)
        token = decoding.sample(own, logits, temperature[part], top_k[part], top_p[part])
        return (token, cache), token

    (_, cache), drawn = jax.lax.scan(body, (last, cache), jnp.arange(model.frame_tokens, dtype=jnp.int32))
    return drawn.T, cache


@functools.partial(jax.jit, static_argnums=0)
def _encode_ends(tokenizer: PoseTokenizer, weights: PyTree, poses: Array) -> Array:
    ends = ((0, 0), (tokenizer.reach, tokenizer.reach), (0, 0), (0, 0))
    return encode(tokenizer, weights, jnp.pad(poses, ends, mode="edge"), poses.shape[1])


_decode = functools.partial(jax.jit, static_argnums=0)(decode)


@typechecked
def tokens_of(tokenizer: PoseTokenizer, weights: PyTree, poses: Float[np.ndarray, "B n J 3"]) -> np.ndarray:
    """Tokens (B, n, S, K) of n > 0 frames; before the first and after the last the dancer stands still. weights: the
    tokenizer's (stage.variables)."""
    whole = _beside(weights, lengths.filled(poses, hold=True))
    return jax.device_get(_encode_ends(tokenizer, weights, whole))[:, : poses.shape[1]]


@typechecked
def poses_of(tokenizer: PoseTokenizer, weights: PyTree, tokens: Int[np.ndarray, "B F S K"]) -> np.ndarray:
    """Poses (B, F, J, 3) of a whole dance; before its first frame the dancer stands still."""
    before = lengths.bucket(tokens.shape[1] + tokenizer.reach) - tokens.shape[1]
    whole = np.concatenate([np.repeat(tokens[:, :1], before, axis=1), tokens], axis=1)
    return jax.device_get(_decode(tokenizer, weights, _beside(weights, whole)))[:, before:]


def generate(
    model: MusicGPT, params: Params, music: np.ndarray, song: np.ndarray, given: np.ndarray, *,
    progress: Callable[[int, int], None] | None = None, **options,
) -> np.ndarray:
    """Tokens (B, F, S, K) of a dance for every frame of the music: all that `stream` yields. Arguments, `options` among
    them, and errors as of `stream`; `progress` is called with (frames done, frames in all)."""
    made, done = [], 0
    for tokens in stream(model, params, music, song, given, **options):
        made.append(tokens)
        done += tokens.shape[1]
        if progress is not None:
            progress(done, music.shape[1])
    return np.concatenate(made, axis=1)


__all__ = ["Sampling", "Segments", "generate", "poses_of", "stream", "tokens_of"]
