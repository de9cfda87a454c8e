"""The motion model's own kernels against plain ones, in bfloat16 and at shapes of GPT-2 medium and small."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import motion
from xdancer_jax.boxes import unbox
from xdancer_jax.models import music_decoder
from xdancer_jax.models.music_gpt import MusicGPT
from xdancer_jax.nn import cache
from xdancer_jax.nn.attention import attention
from xdancer_jax.nn.embeddings import lookup

L, N, D = 2224, 16, 64
M = 35  # music features


def _normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape, jnp.float32)


def _error(got, wanted):
    """Relative, of norms."""
    got, wanted = (np.asarray(x, np.float64) for x in (got, wanted))
    return np.linalg.norm(got - wanted) / np.linalg.norm(wanted)


@pytest.mark.parametrize("rows", [1, 8])
@pytest.mark.parametrize("position", [0, 1, 1111, L - 1])
def test_a_slot_sees_the_cache_up_to_itself(rows, position):
    query, keys, values = _normal(0, rows, N, D), _normal(1, rows, L, N, D), _normal(2, rows, L, N, D)
    keys = keys.at[:, position + 1 :].set(1e3)
    half = functools.partial(jnp.asarray, dtype=jnp.bfloat16)
    filled = cache.write(cache.empty(rows, L, N, D, "bfloat16"), half(keys), half(values), 0)
    got = jax.jit(cache.attend)(half(query), filled, jnp.int32(position))
    seen = slice(0, position + 1)
    with jax.default_matmul_precision("highest"):
        wanted = jax.nn.dot_product_attention(query[:, None], keys[:, seen], values[:, seen])[:, 0]
    assert _error(got, wanted) < 0.01


def test_causal_attention_and_its_gradients():
    arrays = [_normal(i, 2, 700, N, D) for i in range(3)]

    def run(attend, arrays):
        return jax.jit(jax.value_and_grad(lambda x: jnp.sum(jnp.square(attend(*x).astype(jnp.float32)))))(arrays)

    got = run(functools.partial(attention, is_causal=True), [x.astype(jnp.bfloat16) for x in arrays])
    with jax.default_matmul_precision("highest"):
        wanted = run(functools.partial(jax.nn.dot_product_attention, is_causal=True), arrays)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        assert _error(a, b) < 0.02


@pytest.mark.parametrize(("dtype", "tolerance"), [("bfloat16", 0.003), ("float32", 1e-5)])
def test_the_gradient_of_a_lookup_is_the_sum_of_its_rows(dtype, tolerance):
    index = jax.random.randint(jax.random.key(0), (24, 2160), 0, 2560)
    gradient, table = _normal(1, 24, 2160, 256).astype(dtype), jnp.zeros((2560, 256), dtype)
    got = jax.jit(lambda table: jax.vjp(lambda table: lookup(table, index), table)[1](gradient)[0])(table)
    wanted = np.zeros(table.shape)
    np.add.at(wanted, np.asarray(index), np.asarray(gradient, np.float64))
    assert _error(got, wanted) < tolerance


def _small() -> tuple[MusicGPT, dict, dict]:
    """Two layers of GPT-2 small in bfloat16 with short segments, random weights, and arguments of its packed pass."""
    fields = motion.get_config("small").model.to_dict() | {"num_layers": 2, "segment_frames": 8}
    model = MusicGPT(**fields, dtype="bfloat16")
    random = np.random.default_rng(0)

    def tokens(frames):
        return jnp.asarray(random.integers(0, 512, (2, frames, 5, 6)), jnp.int32)

    inputs = {
        "tokens": tokens(8), "context": tokens(8), "context_index": jnp.tile(jnp.arange(8), (2, 1)),
        "music": _normal(3, 2, 16, M), "song": _normal(4, 2, 64, M),
    }
    return model, model.init(jax.random.key(0), **inputs), inputs


def test_a_step_gives_the_packed_pass_s_logits():
    model, variables, inputs = _small()
    params = unbox(variables["params"])
    packed = model.apply({"params": params}, **inputs).reshape(2, -1, 512)
    _, added = model.apply({"params": params}, inputs["music"], method="embed")
    weights = jax.jit(functools.partial(music_decoder.arrange, model))(params)
    filled = music_decoder.prefill(
        model, params, inputs["tokens"][:, :1], inputs["context"], added[:, :8], inputs["song"], added[:, 8:9],
        music_decoder.empty_cache(model, 2),
    )
    step, flat = jax.jit(functools.partial(music_decoder.step, model)), inputs["tokens"].reshape(2, -1)
    for index in range(29, 70):
        frame = (index + 1) // 30
        logits, filled = step(weights, flat[:, index], jnp.int32(index), added[:, 8 + frame], filled)
        assert _error(logits, packed[:, index + 1]) < 0.02, index
