import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.models.music_gpt import MusicGPT
from xdancer_jax.models.pose_tokenizer import PoseTokenizer
from xdancer_jax.stages import motion
from xdancer_jax.stages.tokenizer import decode, encode

P, T, C, S, K, V, G, M, J = 6, 4, 2, 2, 2, 5, 3, 4, 3
MODEL = MusicGPT(
    num_layers=1, width=8, num_heads=2, num_parts=S, tokens_per_part=K, codebook_size=V, segment_frames=T,
    context_frames=C, global_tokens=G, music_width=4, music_kernel=1, global_music=True, motion_context=True,
    dropout=0.1, remat=False,
)
TOKENIZER = PoseTokenizer(
    parts=((0, 2), (1,)), tokens_per_part=K, codebook_size=V, code_dim=3, encoder_width=8, decoder_width=8, depth=1,
    kernel=3, decay=0.9, reset_below=0.05,
)
SAMPLING = motion.Sampling(temperature=1.0, top_k=0, top_p=0.95)


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    arrays = {
        "poses": rng.uniform(-1, 1, size=(2, P + T, J, 3)).astype(np.float32),
        "music": rng.normal(size=(2, P + T, M)).astype(np.float32),
        "context_index": np.array([[1, 4], [0, 5]], np.int32),
        "song": rng.normal(size=(2, G, M)).astype(np.float32),
    }
    return jax.tree.map(jnp.asarray, arrays)


def _random(shapes, scale):
    """Random weights of these shapes: init is slow to compile."""
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda x: jnp.asarray(scale * rng.normal(size=x.shape), x.dtype), shapes)


@pytest.fixture(scope="module")
def stage(batch):
    variables = _random(jax.eval_shape(lambda: nn.unbox(TOKENIZER.init(jax.random.key(1), batch["poses"]))), 0.3)
    frozen = (variables["params"], {"codebook": variables["codebook"]})
    return motion.make(MODEL, TOKENIZER, frozen, sampling=SAMPLING)


@pytest.fixture(scope="module")
def state(stage, batch):
    shapes = jax.eval_shape(stage.init, jax.random.key(0), batch)
    assert set(shapes[1]["frozen"]["tokenizer"]) == {"params", "extra"}
    return _random(nn.unbox(shapes[0]), 0.4), _random(shapes[1], 0.3)


@pytest.fixture(scope="module")
def loss(stage):
    return jax.jit(stage.loss, static_argnames="train")


@pytest.mark.parametrize("margin", [0, 2])
def test_loss_is_the_cross_entropy_of_the_last_frames_given_the_chosen_context(loss, state, batch, margin):
    params, extra = state
    batch = batch | {"poses": jnp.pad(batch["poses"], ((0, 0), (margin, margin), (0, 0), (0, 0)), constant_values=0.3)}
    value, (metrics, after) = loss(params, extra, batch, jax.random.key(0), train=False)
    tokens = encode(TOKENIZER, extra["frozen"]["tokenizer"], batch["poses"])
    tokens = tokens[:, margin : tokens.shape[1] - margin]
    row = np.arange(2)[:, None]
    logits = jax.jit(MODEL.apply)(
        {"params": params}, tokens[:, P:], tokens[row, batch["context_index"]], batch["context_index"], batch["music"],
        batch["song"],
    )
    logits, target = np.asarray(logits, np.float64), np.asarray(tokens[:, P:])
    chosen = np.take_along_axis(logits, target[..., None], axis=-1)[..., 0]
    np.testing.assert_allclose(value, (np.log(np.exp(logits).sum(axis=-1)) - chosen).mean(), rtol=1e-5)
    np.testing.assert_allclose(metrics["accuracy"], (logits.argmax(axis=-1) == target).mean(), rtol=1e-6)
    jax.tree.map(np.testing.assert_array_equal, extra, after)


def test_dropout_only_in_training_and_no_gradient_into_the_tokenizer(loss, stage, state, batch):
    params, extra = state
    values = {
        (seed, train): float(loss(params, extra, batch, jax.random.key(seed), train=train)[0])
        for seed in (0, 1) for train in (True, False)
    }
    assert values[0, False] == values[1, False]
    assert values[0, True] != values[1, True]
    frozen = extra["frozen"]["tokenizer"]["params"]

    def of_tokenizer(frozen_params):
        moved = {"frozen": {"tokenizer": {**extra["frozen"]["tokenizer"], "params": frozen_params}}}
        return stage.loss(params, moved, batch, jax.random.key(0), False)[0]

    gradients = jax.jit(jax.grad(of_tokenizer))(frozen)
    assert all(np.abs(g).max() == 0 for g in jax.tree.leaves(gradients))


def test_sample_draws_from_the_model_and_decodes_after_the_real_segment(stage, state, batch):
    params, extra = state
    sample = jax.jit(stage.functions["sample"])
    one, same, other = (sample(params, extra, batch, jax.random.key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one["tokens"], same["tokens"])
    assert (one["tokens"] != other["tokens"]).any()
    frozen = extra["frozen"]["tokenizer"]
    tokens = encode(TOKENIZER, frozen, batch["poses"])
    whole = decode(TOKENIZER, frozen, jnp.concatenate([tokens[:, :P], one["tokens"]], axis=1))
    np.testing.assert_allclose(one["poses"], whole[:, P:], atol=1e-5)


def test_greedy_segment_is_the_argmax_of_the_packed_pass_and_forced_frames_are_copied(state, batch):
    params, _ = state
    prompt = jnp.asarray(np.random.default_rng(2).integers(0, V, (2, T, S, K)), jnp.int32)
    index = jnp.broadcast_to(jnp.arange(C), (2, C))
    inputs = {"context": prompt[:, :C], "song": batch["song"]}
    music = motion._embed_music(MODEL, params, batch["music"])
    forced = np.array([True, True, False, False])
    greedy = dataclasses.replace(SAMPLING, temperature=0.0)
    tokens = jax.jit(
        lambda params: motion.sample_segment(
            MODEL, params, **inputs, music=music[:, P:], context_music=music[:, :C], prompt=prompt,
            forced=jnp.asarray(forced), rng=jax.random.key(0), sampling=greedy,
        )
    )(params)
    np.testing.assert_array_equal(tokens[:, forced], prompt[:, forced])
    logits = jax.jit(MODEL.apply)({"params": params}, tokens, **inputs, context_index=index, music=batch["music"])
    np.testing.assert_array_equal(tokens[:, ~forced], jnp.argmax(logits, axis=-1)[:, ~forced])


def _generate(state, frames, seed=0, song_seed=0, **options):
    rng = np.random.default_rng(song_seed)
    music = rng.normal(size=(2, 40, M)).astype(np.float32)[:, :frames]
    song, pose = np.ones((2, G, M), np.float32), rng.uniform(size=(2, J, 3)).astype(np.float32)
    options = {"overlap": 2, "context_span": P} | options
    return motion.generate(MODEL, TOKENIZER, *state, music, song, pose, seed=seed, sampling=SAMPLING, **options), pose


@pytest.mark.parametrize("frames", [1, 3, 4, 5, 11])
def test_generate_makes_every_frame_of_the_song(state, frames):
    calls = []
    out, _ = _generate(state, frames, progress=lambda done, total: calls.append((done, total)))
    assert out["tokens"].shape == (2, frames, S, K)
    assert out["poses"].shape == (2, frames, J, 3)
    segments = 1 if frames <= T else 1 + -(-(frames - T) // 2)
    assert calls == [(i + 1, segments) for i in range(segments)]


def test_generate_is_decided_by_its_seed_and_compiles_one_segment(state):
    one, _ = _generate(state, 11)
    before = motion._segment._cache_size()
    same, _ = _generate(state, 11)
    other, _ = _generate(state, 7, seed=1)
    assert motion._segment._cache_size() == before
    np.testing.assert_array_equal(one["tokens"], same["tokens"])
    assert (one["tokens"][:, :7] != other["tokens"]).any()


def test_generate_starts_with_the_start_pose_and_later_music_changes_no_earlier_frame(state):
    out, pose = _generate(state, 11)
    still = np.repeat(pose[:, None], 21, axis=1)
    tokens = encode(TOKENIZER, state[1]["frozen"]["tokenizer"], jnp.asarray(still))[:, 10]
    np.testing.assert_array_equal(out["tokens"][:, 0], tokens)
    shorter, _ = _generate(state, 6)
    np.testing.assert_array_equal(shorter["tokens"], out["tokens"][:, :6])


def test_context_comes_from_before_the_segment_and_the_overlap_is_its_prompt(state, monkeypatch):
    calls = []

    def draw(model, params, context, context_music, song, music, prompt, forced, rng, sampling):
        calls.append((context[0, :, 0, 0], context_music[0, :, 0], music[0, :, 0], prompt[0, forced, 0, 0]))
        return np.full(prompt.shape, 100 * len(calls)) + np.arange(T)[:, None, None]

    monkeypatch.setattr(motion, "_segment", draw)
    monkeypatch.setattr(motion, "_embed_music", lambda model, params, music: music)
    monkeypatch.setattr(motion, "_decode", lambda tokenizer, frozen, tokens: np.zeros((*tokens.shape[:2], J, 3)))
    music = np.broadcast_to(np.arange(1, 21, dtype=np.float32)[None, :, None], (2, 20, M)).copy()
    out = motion.generate(
        MODEL, TOKENIZER, *state, music, np.ones((2, G, M), np.float32), np.zeros((2, J, 3), np.float32), seed=0,
        sampling=SAMPLING, overlap=2, context_span=P,
    )
    line = out["tokens"][0, :, 0, 0]
    contexts = set()
    for i, (context, context_music, segment_music, prompt) in enumerate(calls):
        start = 2 * i
        np.testing.assert_array_equal(segment_music, music[0, start : start + T, 0])
        frames = context_music.astype(int) - 1  # -1: before the song
        contexts |= {tuple(frames - start)}
        assert (np.diff(frames) > 0).all() or (frames == -1).any()
        assert frames.max() < start and frames.min() >= max(-1, start - P)
        np.testing.assert_array_equal(context[frames >= 0], line[frames[frames >= 0]])
        if i:
            np.testing.assert_array_equal(prompt, 100 * i + np.array([2, 3]))  # the last two frames drawn before
    assert len(contexts) > 3
    assert len(calls) == 9


def test_settings_that_do_not_fit_are_refused(state):
    with pytest.raises(ValueError, match="overlap"):
        _generate(state, 5, overlap=T)
    with pytest.raises(ValueError, match="context_span"):
        _generate(state, 5, context_span=1)
    with pytest.raises(ValueError, match=r"\(2, 2, 5\), its tokenizer \(2, 3, 5\)"):
        motion.make(MODEL, TOKENIZER.clone(tokens_per_part=3), ({}, {}), sampling=SAMPLING)
