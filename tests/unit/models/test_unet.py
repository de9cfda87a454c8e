import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.models.unet import UNet

MODEL = UNet(
    block_out_channels=(8, 16), layers_per_block=1, attention_levels=(False, True), num_heads=2,
    cross_attention_dim=6, norm_groups=4, temporal_heads=2, temporal_max_frames=4,
)
CELLS = ((5, 3), (3, 2))  # odd on purpose


@functools.cache
def _params():
    """Random values from numpy: compiling an initialiser for each weight would take most of this file's time."""
    inputs = _inputs()
    shapes = nn.unbox(jax.eval_shape(MODEL.init, jax.random.key(0), *inputs))
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda s: jnp.asarray(rng.normal(size=s.shape) * 0.2, s.dtype), shapes)


def _inputs():
    rng = np.random.default_rng(1)
    latents = jnp.asarray(rng.normal(size=(2, 3, 5, 3, 4)), jnp.float32)
    return latents, jnp.array([5, 900]), jnp.asarray(rng.normal(size=(2, 1, 6)), jnp.float32)


def _reference():
    rng = np.random.default_rng(2)
    return tuple(jnp.asarray(rng.normal(size=(2, 6, 16)), jnp.float32) for _ in range(MODEL.num_taps))


def _residuals():
    return tuple(jnp.zeros((2, 3, *cells, c)) for cells, c in zip(CELLS, MODEL.block_out_channels, strict=True))


@functools.partial(jax.jit, static_argnames="use_temporal")
def _plain(params, *inputs, use_temporal=False):
    return MODEL.apply(params, *inputs, use_temporal=use_temporal)


@jax.jit
def _full_jit(params, inputs, reference, mask, residuals):
    return MODEL.apply(
        params, *inputs, reference=reference, reference_mask=mask, residuals=residuals, use_temporal=False
    )


def _full(params=None, inputs=None, reference=None, mask=(True, True), residuals=None):
    """One compiled program for most tests; `mask` False and zero `residuals` are "none"."""
    return _full_jit(
        params or _params(), inputs or _inputs(), reference or _reference(), jnp.array(mask),
        residuals or _residuals(),
    )


def test_size_of_stable_diffusion_1_5_and_animatediff_2():
    def size(model):
        shapes = jax.eval_shape(
            model.init, jax.random.key(0), jnp.zeros((1, 1, 8, 8, 4)), jnp.zeros(1), jnp.zeros((1, 1, 768))
        )
        return sum(x.size for x in jax.tree.leaves(shapes))

    plain = size(UNet(temporal=False))
    assert plain == 859_520_964
    assert size(UNet()) - plain == 453_209_280
    assert UNet().num_taps == 16


def test_each_clip_has_its_own_time_step():
    latents, timesteps, token = _inputs()
    changed = _full(inputs=(latents, jnp.array([timesteps[0], 300]), token)) - _full()
    assert jnp.abs(changed[0]).max() == 0 and jnp.abs(changed[1]).min() > 0


def test_motion_modules_start_as_identity():
    params = jax.tree_util.tree_map_with_path(
        lambda path, x: x * 0 if "motion_modules" in str(path) and "'proj_out'" in str(path) else x, _params()
    )
    plain = _plain(params, *_inputs())
    np.testing.assert_allclose(_plain(params, *_inputs(), use_temporal=True), plain, atol=1e-5)
    assert jnp.abs(_plain(_params(), *_inputs(), use_temporal=True) - plain).max() > 1e-3


def test_frames_are_independent_without_motion_modules():
    latents, *rest = _inputs()
    moved = jnp.abs(_full(inputs=(latents.at[0, 1].add(1.0), *rest)) - _full()).max(axis=(2, 3, 4)) > 0
    np.testing.assert_array_equal(moved, [[False, True, False], [False, False, False]])


def test_reference_mask():
    none, seen = _plain(_params(), *_inputs()), _full()
    half = _full(mask=(False, True))
    np.testing.assert_allclose(half[0], none[0], atol=1e-5)
    np.testing.assert_allclose(half[1], seen[1], atol=1e-5)
    assert jnp.abs(seen - none).max(axis=(1, 2, 3, 4)).min() > 1e-3


@pytest.mark.parametrize("entry", range(4))
def test_every_reference_entry_is_read_by_its_own_clip(entry):
    reference = tuple(r.at[1].add(jnp.arange(16.0)) if i == entry else r for i, r in enumerate(_reference()))
    moved = jnp.abs(_full(reference=reference) - _full()).max(axis=(1, 2, 3, 4))
    assert len(_reference()) == 4 and moved[0] == 0 and moved[1] > 1e-4


@pytest.mark.parametrize("level", [0, 1])
def test_residuals_join_at_each_level(level):
    residuals = tuple(r.at[1, 2, 0].add(1.0) if i == level else r for i, r in enumerate(_residuals()))
    moved = jnp.abs(_full(residuals=residuals) - _full()).max(axis=(2, 3, 4)) > 0
    np.testing.assert_array_equal(moved, [[False] * 3, [False, False, True]])


@pytest.mark.parametrize(("level", "layer"), [(0, ("conv_in",)), (1, ("down_blocks_1", "resnets_0", "conv2"))])
def test_a_residual_joins_where_a_bias_would(level, layer):
    """The same b at every cell of a level is a change of the bias that acts there."""
    step = np.linspace(-1, 1, MODEL.block_out_channels[level], dtype=np.float32)
    residuals = tuple(r + step if i == level else r for i, r in enumerate(_residuals()))
    params = jax.tree.map(lambda x: x, _params())  # new dicts
    functools.reduce(dict.get, layer, params["params"])["bias"] += step
    np.testing.assert_allclose(_full(residuals=residuals), _full(params), atol=1e-5)


def _wrong(**changes):
    latents, timesteps, context = _inputs()
    inputs = {"latents": latents, "timesteps": timesteps, "context": context} | changes
    jax.eval_shape(functools.partial(MODEL.apply, _params()), *(inputs.pop(k) for k in ("latents", "timesteps",
                                                                                        "context")), **inputs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"context": jnp.zeros((2, 1, 7))}, "cross_attention_dim is 6"),
        ({"latents": jnp.zeros((2, 3, 5, 3, 5))}, "latent_channels is 4"),
        ({"latents": jnp.zeros((2, 5, 5, 3, 4))}, "temporal_max_frames is 4"),
        ({"residuals": (None,)}, "1 entries"),
        ({"residuals": (None, jnp.zeros((2, 3, 2, 2, 16)))}, r"residuals\[1\]"),
    ],
)
def test_wrong_inputs(changes, message):
    with pytest.raises(ValueError, match=message):
        _wrong(**changes)


def test_wrong_number_of_reference_entries():
    with pytest.raises(ValueError, match="transformer blocks"):
        jax.eval_shape(lambda r: MODEL.apply(_params(), *_inputs(), reference=r), _reference()[:-1])


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"attention_levels": (True,)}, "one per level"), ({"norm_groups": 3}, "norm_groups"),
     ({"num_heads": 3}, "num_heads")],
)
def test_wrong_layouts(fields, message):
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(MODEL.copy(**fields).init, jax.random.key(0), *_inputs())
