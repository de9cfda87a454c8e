import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.nn.transformer import MultiHeadAttention, TransformerBlock


def _normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


def test_extra_tokens_share_the_projections(random_params):
    """Projected once a clip and repeated must equal concatenation at token level, frame by frame."""
    x, extra = _normal(0, 4, 3, 8), _normal(1, 2, 5, 8)
    module = MultiHeadAttention(2)
    params = random_params(module, x)
    got = module.apply(params, x, extra=extra)
    both = jnp.concatenate([x, jnp.repeat(extra, 2, axis=0)], axis=1)
    np.testing.assert_allclose(got, module.apply(params, x, both), atol=1e-5)


def test_masked_rows_do_not_see_extra(random_params):
    x, extra = _normal(0, 4, 3, 8), _normal(1, 2, 5, 8)
    module = MultiHeadAttention(2)
    params = random_params(module, x)
    got = module.apply(params, x, extra=extra, extra_mask=jnp.array([True, False]))
    np.testing.assert_allclose(got[:2], module.apply(params, x, extra=extra)[:2], atol=1e-6)
    np.testing.assert_allclose(got[2:], module.apply(params, x)[2:], atol=1e-6)


def test_tap_only_makes_norm1_alone_with_the_same_path(random_params):
    x, context = _normal(0, 2, 3, 8), _normal(1, 2, 1, 6)
    whole, stub = TransformerBlock(2), TransformerBlock(2, tap_only=True)
    params = random_params(whole, x, context)["params"]
    stub_params = random_params(stub, x, context)["params"]
    assert set(stub_params) == {"norm1"}
    tap = whole.apply({"params": params}, x, context)[1]
    np.testing.assert_array_equal(tap, stub.apply({"params": {"norm1": params["norm1"]}}, x, context)[1])


def test_width_must_split_into_heads():
    with pytest.raises(ValueError, match="3 heads"):
        jax.eval_shape(MultiHeadAttention(3).init, jax.random.key(0), jnp.zeros((1, 2, 8)))
