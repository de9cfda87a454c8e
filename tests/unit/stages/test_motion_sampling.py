import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import parts
from xdancer_jax.models.music_gpt import MusicGPT
from xdancer_jax.models.pose_tokenizer import PoseTokenizer
from xdancer_jax.stage import variables
from xdancer_jax.stages import motion, motion_sampling
from xdancer_jax.stages.motion_sampling import Sampling, Segments
from xdancer_jax.stages.tokenizer import decode, encode

P, T, C, S, K, V, G, M, J = 6, 5, 2, 2, 2, 16, 3, 4, 3
OVERLAP = 2
MODEL = MusicGPT(
    num_layers=2, width=16, num_heads=2, num_parts=S, tokens_per_part=K, codebook_size=V, segment_frames=T,
    context_frames=C, global_tokens=G, music_width=4, music_kernel=2, global_music=True, motion_context=True,
    dropout=0.1, remat="none",
)
TOKENIZER = PoseTokenizer(
    parts=((0, 2), (1,)), tokens_per_part=K, codebook_size=V, code_dim=3, encoder_width=8, decoder_width=8, depth=1,
    kernel=3, decay=0.9, reset_below=0.05,
)
SEGMENTS = Segments(OVERLAP, P)


@pytest.fixture(scope="module")
def state():
    return make_state()


def make_state():
    """Random weights of order one: the model's parameters and the tokenizer's variables."""
    window, songs = jnp.zeros((1, P + T, M)), jnp.zeros((1, G, M))
    batch = {"poses": jnp.zeros((1, P + T, J, 3)), "music": window, "song": songs,
             "context_index": jnp.zeros((1, C), jnp.int32)}
    shapes = parts.shapes(motion.make(MODEL, TOKENIZER), batch)
    own = variables(shapes["params"], shapes["extra"], "tokenizer")
    return parts.random(shapes["params"]["gpt"], 0.4), parts.random(own, 0.3)


def _inputs(rows, frames, given=1):
    rng = np.random.default_rng(0)
    music = rng.normal(size=(rows, 40, M)).astype(np.float32)[:, :frames]
    song = rng.normal(size=(rows, G, M)).astype(np.float32)
    return music, song, rng.uniform(size=(rows, given, J, 3)).astype(np.float32)


def _generate(state, inputs, seeds, **options):
    """Tokens of dances that go on from the poses of `inputs`."""
    options = {"sampling": Sampling(top_p=(0.95,)), "segments": SEGMENTS} | options
    (params, tokenizer), (music, song, start) = state, inputs
    given = motion_sampling.tokens_of(TOKENIZER, tokenizer, start)
    return motion_sampling.generate(MODEL, params, music, song, given, seeds=seeds, **options)


@pytest.mark.parametrize("frames", [1, 2, 4, 5, 6, 11])
def test_every_frame_of_the_song_is_made(state, frames):
    calls = []
    tokens = _generate(state, _inputs(2, frames), (0, 1), progress=lambda done, total: calls.append((done, total)))
    assert tokens.shape == (2, frames, S, K)
    assert tokens.min() >= 0 and tokens.max() < V
    assert calls == [(i + 1, frames) for i in range(frames)]


def test_greedy_tokens_are_the_argmax_of_the_packed_pass(state):
    """Segment by segment, with the context that the sampler drew, the second after an overlap."""
    params, tokenizer = state
    music, song, start = _inputs(2, 8)
    tokens = _generate(state, (music, song, start), (3, 4), sampling=Sampling(top_k=(1,)))
    padded = np.pad(music, ((0, 0), (P, 0), (0, 0)))
    still = np.concatenate([np.repeat(tokens[:, :1], P, axis=1), tokens], axis=1)
    apply = jax.jit(MODEL.apply)
    for first, known in ((0, 1), (T - OVERLAP, T)):
        index = np.stack([motion_sampling._context(seed, first, P, C) for seed in (3, 4)])
        window, context = padded[:, : P + first + T], np.take_along_axis(still, index[:, :, None, None], axis=1)
        logits = apply(
            {"params": params}, tokens[:, first : first + T], context, index.astype(np.int32), window, song
        )
        likeliest = np.asarray(jnp.argmax(logits, axis=-1))
        np.testing.assert_array_equal(tokens[:, known : first + T], likeliest[:, known - first :])
    out, reach = motion_sampling.poses_of(TOKENIZER, tokenizer, tokens), TOKENIZER.reach
    whole = jax.jit(decode, static_argnums=0)(TOKENIZER, tokenizer, still[:, P - reach :])
    np.testing.assert_allclose(out, whole[:, reach:], atol=1e-6)


def test_a_dance_is_decided_by_song_start_and_seed_whatever_the_batch(state):
    music, song, start = _inputs(3, 11)
    seeds = (0, 2**32 - 1, 0)
    whole = _generate(state, (music, song, start), seeds)
    for rows in ([1], [2, 0], [1, 2]):
        some = _generate(state, (music[rows], song[rows], start[rows]), [seeds[i] for i in rows])
        np.testing.assert_array_equal(some, whole[rows])
    again = _generate(state, tuple(x[[0, 0]] for x in (music, song, start)), (0, 1))
    np.testing.assert_array_equal(again[0], whole[0])
    assert (again[1] != again[0]).any()


def test_one_program_makes_every_segment_of_songs_of_any_length(state):
    _generate(state, _inputs(2, 11), (0, 1))
    before = motion_sampling._frame._cache_size(), motion_sampling._prefill._cache_size()
    _generate(state, _inputs(2, 17, given=4), (2, 3))
    assert (motion_sampling._frame._cache_size(), motion_sampling._prefill._cache_size()) == before


def test_the_segments_of_a_song_write_over_one_cache(state, monkeypatch):
    given, made = [], []
    prefill, empty = motion_sampling._prefill, motion_sampling._empty_cache
    monkeypatch.setattr(motion_sampling, "_prefill", lambda *args: given.append(args[2]) or prefill(*args))
    monkeypatch.setattr(motion_sampling, "_empty_cache", lambda *args: made.append(args) or empty(*args))
    _generate(state, _inputs(2, 17), (0, 1))
    assert len(given) > 1 and len(made) == 1
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(given))


def test_finished_frames_are_yielded_while_later_ones_are_made(state, monkeypatch):
    made = []
    frame = motion_sampling._frame
    monkeypatch.setattr(motion_sampling, "_frame", lambda *args: made.append(int(args[4][0])) or frame(*args))
    options = {"seeds": (0, 1), "sampling": Sampling(), "segments": SEGMENTS}
    music, song, start = _inputs(2, 11)
    given = motion_sampling.tokens_of(TOKENIZER, state[1], start)
    stream = motion_sampling.stream(MODEL, state[0], music, song, given, **options)
    yielded = [next(stream) for _ in range(4)]
    assert [x.shape for x in yielded] == [(2, 1, S, K)] * 4
    assert made == [1, 2, 3, 4]  # a frame is read once the next is under way
    rest = np.concatenate([*yielded, *stream], axis=1)
    np.testing.assert_array_equal(rest, _generate(state, _inputs(2, 11), (0, 1), sampling=Sampling()))


def test_later_music_changes_no_earlier_frame(state):
    music, song, start = _inputs(2, 11)
    shorter = _generate(state, (music[:, :6], song, start), (0, 1))
    np.testing.assert_array_equal(shorter, _generate(state, (music, song, start), (0, 1))[:, :6])


@pytest.mark.parametrize("given", [1, 2, 3, 7, 11, 12])
def test_a_dance_goes_on_from_the_given_frames(state, given):
    music, song, _ = _inputs(1, 11)
    known = np.random.default_rng(given).integers(V, size=(1, given, S, K))
    tokens = motion_sampling.generate(
        MODEL, state[0], music, song, known, seeds=(0,), sampling=Sampling(top_p=(0.95,)), segments=SEGMENTS
    )
    assert tokens.shape == (1, 11, S, K)
    np.testing.assert_array_equal(tokens[:, :given], known[:, :11])


def test_given_poses_stand_still_before_and_after(state):
    _, _, start = _inputs(1, 11, 7)
    reach = TOKENIZER.reach
    padded = np.pad(start, ((0, 0), (reach, reach), (0, 0), (0, 0)), mode="edge")
    wanted = jax.jit(encode, static_argnums=(0, 3))(TOKENIZER, state[1], padded, 7)
    np.testing.assert_array_equal(motion_sampling.tokens_of(TOKENIZER, state[1], start), wanted)


def test_what_follows_depends_on_the_given_frames(state):
    music, song, start = (np.repeat(x, 2, axis=0) for x in _inputs(1, 11, 7))
    one = _generate(state, (music, song, start), (0, 1))
    other = _generate(state, (music, song, -2 * start), (0, 1))
    assert (one[:, :7] != other[:, :7]).any() and (one[:, 7:] != other[:, 7:]).any()


def test_context_comes_from_before_the_segment():
    drawn = [motion_sampling._context(seed, 9, P, C) for seed in range(30)]
    assert all((np.diff(x) > 0).all() and x[0] >= 9 and x[-1] < 9 + P for x in drawn)
    assert {x for pair in drawn for x in pair.tolist()} == set(range(9, 9 + P))


def test_every_token_is_a_draw_of_its_own(state):
    """At a temperature that leaves all tokens alike, nothing but chance tells frames, slots and rows apart."""
    tokens = _generate(state, _inputs(2, 11), (0, 1), sampling=Sampling(temperature=(1e6,)))
    tokens = tokens[:, 1:].reshape(2, 10, S * K)
    for axis in range(3):
        assert (np.diff(tokens, axis=axis) != 0).mean() > 0.7  # 15 / 16 of independent ones


def test_each_part_has_its_own_settings(state):
    inputs = _inputs(2, 11)
    greedy = _generate(state, inputs, (0, 1), sampling=Sampling(top_k=(1, 1)))
    for part in range(S):
        free = Sampling(temperature=tuple(3.0 if i == part else 1.0 for i in range(S)),
                        top_k=tuple(0 if i == part else 1 for i in range(S)))
        tokens = _generate(state, inputs, (0, 1), sampling=free)
        # until the free part is drawn for the first time nothing differs from greedy; then it does
        np.testing.assert_array_equal(tokens[:, 1, :part], greedy[:, 1, :part])
        assert (tokens[:, 1:, part] != greedy[:, 1:, part]).any()
    # The last part's draws in a frame leave the earlier parts of that frame alone.
    np.testing.assert_array_equal(tokens[:, 1, 0], greedy[:, 1, 0])


@pytest.mark.parametrize(("change", "message"), [
    ({"segments": Segments(T, P)}, f"0 < overlap < {T}"), ({"segments": Segments(1, 1)}, "context_span >= 2"),
    ({"seeds": (0,)}, "1 seeds, 2 songs"), ({"seeds": (0, -1)}, r"seeds \[0, -1\]: must lie in"),
    ({"sampling": Sampling(temperature=(1.0, 0.0))}, "temperature > 0"),
    ({"sampling": Sampling(temperature=(-1.0,))}, "temperature > 0"),
    ({"sampling": Sampling(top_k=(1, 2, 3))}, r"sampling.top_k=\(1, 2, 3\): give one value, or one for each of the 2"),
])
def test_settings_that_do_not_fit_are_refused(state, change, message):
    options = {"seeds": (0, 1)} | change
    with pytest.raises(ValueError, match=message):
        _generate(state, _inputs(2, 5), options.pop("seeds"), **options)


def test_features_of_another_set_and_no_first_frame_are_refused(state):
    music, song, start = _inputs(2, 5)
    options = {"seeds": (0, 1), "sampling": Sampling(), "segments": SEGMENTS}
    with pytest.raises(ValueError, match="music has 3 features a frame, the model was trained on 4"):
        _generate(state, (music[..., :3], song[..., :3], start), (0, 1))
    with pytest.raises(ValueError, match="got 0 frames, 2 seeds, 2 songs"):
        motion_sampling.generate(MODEL, state[0], music, song, np.zeros((2, 0, S, K), np.int32), **options)


def test_given_tokens_out_of_range_are_refused(state):
    music, song, _ = _inputs(1, 5)
    given = np.zeros((1, 2, S, K), np.int64)
    given[0, 1, 1, 0] = V
    with pytest.raises(ValueError, match=rf"tokens\[0, 1, 1, 0\] is {V}, outside"):
        motion_sampling.generate(
            MODEL, state[0], music, song, given, seeds=(0,), sampling=Sampling(), segments=SEGMENTS
        )


def test_a_dance_that_is_cut_at_a_segment_goes_on_as_if_it_had_not_been(state):
    music, song, start = _inputs(2, 14)
    whole = _generate(state, (music, song, start), (3, 4))
    for segments in (1, 2):
        cut = OVERLAP + segments * (T - OVERLAP)
        again = motion_sampling.generate(
            MODEL, state[0], music, song, whole[:, :cut], seeds=(3, 4), sampling=Sampling(top_p=(0.95,)),
            segments=SEGMENTS,
        )
        np.testing.assert_array_equal(again, whole)


def test_bfloat16_weights_are_read_as_such(state):
    model = dataclasses.replace(MODEL, dtype="bfloat16")
    weights = jax.jit(motion_sampling.music_decoder.arrange, static_argnums=0)(model, state[0])
    kernel = weights.layers[1]["attn"]["c_attn"]["kernel"]
    assert kernel.dtype == jnp.bfloat16
    assert kernel.shape == (3 * 16, 16)
    music, song, _ = _inputs(1, 4)
    tokens = motion_sampling.generate(
        model, state[0], music, song, np.zeros((1, 1, S, K), np.int32), seeds=(0,), sampling=Sampling(),
        segments=SEGMENTS,
    )
    assert tokens.shape == (1, 4, S, K)
