import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax._src.cudnn import fused_attention_stablehlo

from configs.motion import get_config
from xdancer_jax.models import music_decoder
from xdancer_jax.models.music_gpt import MusicGPT
from xdancer_jax.nn.attention import attention
from xdancer_jax.nn.remat import POLICIES

T, C, S, K, V, G, M = 3, 2, 2, 2, 5, 3, 4
P = 4  # frames of the window before the T
TAPS = 3


def _model(**changes):
    fields = {
        "num_layers": 2, "width": 8, "num_heads": 2, "num_parts": S, "tokens_per_part": K, "codebook_size": V,
        "segment_frames": T, "context_frames": C, "global_tokens": G, "music_width": 4, "music_kernel": TAPS,
        "global_music": True,
        "motion_context": True, "dropout": 0.0, "remat": "none",
    }
    return MusicGPT(**(fields | changes))


@pytest.fixture(scope="module")
def inputs():
    rng = np.random.default_rng(0)
    values = {
        "tokens": rng.integers(0, V, (2, T, S, K)).astype(np.int32),
        "music": rng.normal(size=(2, P + T, M)).astype(np.float32),
        "context": rng.integers(0, V, (2, C, S, K)).astype(np.int32),
        "context_index": np.array([[0, 2], [1, 3]], np.int32),
        "song": rng.normal(size=(2, G, M)).astype(np.float32),
    }
    return jax.tree.map(jnp.asarray, values)


def _variables(model, inputs):
    """Weights of order one, so that an influence that should not be there is far above rounding."""
    shapes = jax.eval_shape(lambda: nn.unbox(model.init(jax.random.key(0), **inputs)))
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda x: jnp.asarray(0.5 * rng.normal(size=x.shape), x.dtype), shapes)


ABLATIONS = [{"music_kernel": 0}, {"global_music": False}, {"motion_context": False}]


@pytest.mark.parametrize("forced", [1, 2])
@pytest.mark.parametrize("ablation", ABLATIONS)
def test_cached_decoding_gives_the_logits_of_the_packed_pass(ablation, forced, inputs):
    """After a prefill of two frames, of which the first `forced` are known; the others are written over."""
    model = _model(**ablation)
    variables = _variables(model, inputs)
    params = variables["params"]
    packed = jax.jit(model.apply)(variables, **inputs).reshape(2, T * S * K, V)
    _, music = jax.jit(lambda x: model.apply(variables, x, method="embed"))(inputs["music"])
    context_music = jnp.take_along_axis(music, inputs["context_index"][:, :, None], axis=1)
    known = inputs["tokens"][:, :2].at[:, forced:].set(0)
    # Memory of an earlier segment: what it holds may not be seen.
    used = jax.tree.map(lambda x: x + 3, music_decoder.empty_cache(model, 2))
    cache = jax.jit(music_decoder.prefill, static_argnums=0)(
        model, params, known, inputs["context"], context_music, inputs["song"], music[:, P : P + 2], used
    )
    weights = jax.jit(music_decoder.arrange, static_argnums=0)(model, params)
    step = jax.jit(music_decoder.step, static_argnums=0)
    tokens = inputs["tokens"].reshape(2, -1)
    for i in range(forced * S * K - 1, T * S * K - 1):
        following = music[:, P + (i + 1) // (S * K)]
        logits, cache = step(model, weights, tokens[:, i], jnp.int32(i), following, cache)
        np.testing.assert_allclose(logits, packed[:, i + 1], atol=1e-5)


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_logits_of_a_frame_depend_on_music_up_to_that_frame(ablation, inputs):
    model = _model(**ablation)
    variables = _variables(model, inputs)

    def frame_logits(music):
        logits = model.apply(variables, **{**inputs, "music": music})[0]
        return jnp.square(logits).sum(axis=(1, 2, 3))

    gradient = np.abs(jax.jit(jax.jacrev(frame_logits))(inputs["music"]))[:, 0, P:].max(axis=-1)  # (logits, music) of
    later = np.triu(np.ones((T, T), bool), 1)
    assert gradient[later].max() == 0
    # without context slots the first token of all follows a global slot, which carries no frame's music
    assert gradient[~later].min() > 0


@pytest.mark.parametrize("ablation", [{}, {"motion_context": False}])
def test_every_frame_knows_the_whole_song_through_the_global_slots_alone(ablation, inputs):
    model = _model(**ablation)
    variables = _variables(model, inputs)

    def frame_logits(song):
        return jnp.square(model.apply(variables, **{**inputs, "song": song})[0]).sum(axis=(1, 2, 3))

    gradient = np.abs(jax.jit(jax.jacrev(frame_logits))(inputs["song"]))[:, 0].max(axis=-1)
    assert gradient.shape == (T, G) and gradient.min() > 0


@pytest.mark.parametrize("taps", [TAPS, 0])
def test_embedded_music_knows_the_frames_of_its_kernel(taps, inputs):
    model = _model(music_kernel=taps)
    variables = _variables(model, inputs)
    assert ("music_filter" in variables["params"]) == (taps > 0)
    embed = jax.jit(jax.jacrev(lambda x: model.apply(variables, x, method="embed")[1][0].sum(axis=-1)))
    reach = np.abs(embed(inputs["music"]))[:, 0].max(axis=-1) > 0
    frames = np.arange(P + T)
    gap = frames[:, None] - frames
    np.testing.assert_array_equal(reach, (gap >= 0) & (gap < max(taps, 1)))


def test_logits_of_a_token_depend_on_all_tokens_before_it_and_no_other(inputs):
    model = _model()
    variables = _variables(model, inputs)
    apply = jax.jit(lambda tokens: model.apply(variables, **{**inputs, "tokens": tokens})[0].reshape(-1, V))
    flat = np.asarray(inputs["tokens"]).reshape(2, -1)
    before = apply(inputs["tokens"])
    for i in range(T * S * K):
        changed = flat.copy()
        changed[0, i] = (changed[0, i] + 1) % V
        moved = np.abs(np.asarray(apply(changed.reshape(inputs["tokens"].shape)) - before)).max(axis=-1)
        assert moved[: i + 1].max() == 0
        assert (moved[i + 1 :] > 1e-6).all()


def test_each_ablation_drops_its_input_and_its_slots(inputs):
    cases = (("global_music", ["song"], G), ("motion_context", ["context"], C * S * K))
    for field, names, slots in cases:
        model = _model(**{field: False})
        assert model.num_positions == _model().num_positions - slots
        variables = _variables(model, inputs)
        apply = jax.jit(model.apply)
        other = inputs | {name: np.zeros_like(inputs[name]) for name in names}
        np.testing.assert_array_equal(apply(variables, **inputs), apply(variables, **other))


@pytest.mark.parametrize("policy", ["dots", "full", "offload"])
def test_remat_changes_no_gradient(policy, inputs):
    variables = _variables(_model(), inputs)

    def gradient(model):
        return jax.jit(jax.grad(lambda v: jnp.sum(jnp.square(model.apply(v, **inputs)))))(variables)

    plain, saved = gradient(_model()), gradient(_model(remat=policy))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), plain, saved)


@pytest.mark.parametrize("policy", POLICIES)
def test_gradients_in_bfloat16_are_those_of_float32_but_for_rounding(policy, inputs):
    variables = _variables(_model(), inputs)

    def gradient(**fields):
        model = _model(remat=policy, **fields)
        return jax.tree.leaves(jax.jit(jax.grad(lambda v: jnp.mean(jnp.square(model.apply(v, **inputs)))))(variables))

    for half, whole in zip(gradient(dtype="bfloat16"), gradient(), strict=True):
        assert np.linalg.norm(half - whole) <= 0.1 * np.linalg.norm(whole)


def _attention_step(policy):
    """Loss and gradient of attention under a policy, to be traced for a shape."""
    @functools.partial(jax.checkpoint, policy=POLICIES[policy], prevent_cse=False)
    def block(query):
        return jnp.sin(attention(query, query, query, is_causal=True))

    return jax.jit(jax.value_and_grad(lambda query: block(query).astype(jnp.float32).sum()))


@pytest.mark.parametrize(("policy", "kernels"), [("full", 4), ("dots", 3)])
def test_dots_keep_what_splash_has_computed(policy, kernels, monkeypatch):
    """Forward, two gradients, and in "full" the forward kernel once more."""
    monkeypatch.setattr("xdancer_jax.nn.attention.platform", lambda: "tpu")
    shape = jax.ShapeDtypeStruct((1, 200, 2, 64), jnp.bfloat16)
    program = _attention_step(policy).trace(shape).lower(lowering_platforms=("tpu",))
    assert program.as_text().count("tpu_custom_call") == kernels


@pytest.mark.parametrize(("policy", "forward"), [("full", 2), ("dots", 1)])
@pytest.mark.parametrize("length", [200, 201])
def test_dots_keep_what_cudnn_has_computed(policy, forward, length, monkeypatch):
    """The policy knows the kernel by the name of JAX's primitive."""
    monkeypatch.setattr("xdancer_jax.nn.attention.platform", lambda: "gpu")
    for name, answer in (
        ("check_cudnn_version", 91400), ("check_compute_capability", True), ("is_cuda_compute_capability_equal", False)
    ):
        monkeypatch.setattr(fused_attention_stablehlo, name, lambda *_, answer=answer: answer)
    text = str(_attention_step(policy).trace(jax.ShapeDtypeStruct((1, length, 2, 64), jnp.bfloat16)).jaxpr)
    assert text.count("dot_product_attention_fwd_wrapper[") == forward


def test_without_a_loop_remat_is_behind_barriers(inputs, monkeypatch):
    """XLA would merge what is to be computed again with what was."""
    monkeypatch.setattr("xdancer_jax.models.music_gpt.platform", lambda: "gpu")
    model = _model(remat="dots")
    gradient = jax.jit(jax.grad(lambda v: jnp.sum(model.apply(v, **inputs))))
    assert "optimization_barrier" in gradient.lower(_variables(model, inputs)).as_text()


@pytest.mark.parametrize(("where", "policy", "looped"), [
    ("cpu", "none", 0), ("cpu", "full", 1), ("gpu", "dots", 0), ("tpu", "none", 1)
])
def test_layers_are_a_loop_but_for_gpus_and_cpus_that_remat_nothing(where, policy, looped, inputs, monkeypatch):
    monkeypatch.setattr("xdancer_jax.models.music_gpt.platform", lambda: where)
    model = _model(remat=policy)
    program = jax.jit(model.apply).lower(_variables(model, inputs), **inputs)
    assert program.as_text().count("stablehlo.while") == looped


def test_medium_is_gpt2_medium_with_the_2224_positions_of_the_paper():
    fields = get_config("medium").model.to_dict()
    model = MusicGPT(**fields)
    frames = (1, model.segment_frames, model.num_parts, model.tokens_per_part)
    context = (1, model.context_frames, *frames[2:])
    ints, floats = jnp.int32, jnp.float32
    shape = jax.ShapeDtypeStruct
    params = jax.eval_shape(
        lambda *args: nn.unbox(model.init(jax.random.key(0), *args))["params"],
        shape(frames, ints), shape(context, ints), shape(context[:2], ints),
        shape((1, 2 * frames[1], 35), floats), shape((1, model.global_tokens, 35), floats),
    )
    assert model.num_positions == params["wpe"].shape[0] == 2224
    blocks = sum(x.size for x in jax.tree.leaves(params["h"]))
    assert blocks == 24 * (12 * 1024**2 + 13 * 1024)  # GPT-2 medium's 302 M
    assert params["h"]["attn"]["c_attn"]["kernel"].shape == (24, 1024, 3072)
    assert set(params["h"]) == {"ln_1", "attn", "ln_2", "mlp"}


def test_a_negative_kernel_is_refused(inputs):
    with pytest.raises(ValueError, match="music_kernel -1 must be 0"):
        jax.eval_shape(lambda: _model(music_kernel=-1).init(jax.random.key(0), **inputs))


def test_an_unknown_remat_policy_is_refused(inputs):
    with pytest.raises(ValueError, match="remat 'some' is unknown; choose one of"):
        jax.eval_shape(lambda: _model(remat="some").init(jax.random.key(0), **inputs))


def test_remat_full_keeps_less_for_the_backward_pass(inputs):
    def saved(policy):
        model = _model(remat=policy)
        variables = _variables(model, inputs)
        _, pullback = jax.vjp(lambda v: model.apply(v, **inputs).sum(), variables)
        return sum(x.size for x in jax.tree.leaves(pullback))

    assert saved("full") < saved("dots") < saved("none")


def test_a_model_without_any_slot_before_the_first_token_is_refused(inputs):
    model = _model(global_music=False, motion_context=False)
    with pytest.raises(ValueError, match="cannot both be off"):
        jax.eval_shape(lambda: model.init(jax.random.key(0), **inputs))
