import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from xdancer_jax.models.reference_net import ReferenceNet
from xdancer_jax.models.unet import UNet

TINY = {
    "block_out_channels": (8, 16), "layers_per_block": 1, "num_heads": 2, "cross_attention_dim": 6, "norm_groups": 4,
}


def _shapes(model, *inputs):
    shapes = nn.unbox(jax.eval_shape(model.init, jax.random.key(0), *inputs))["params"]
    return {path: x.shape for path, x in flatten_dict(shapes, sep="/").items()}


def _unet_inputs(height, width, dim):
    return jnp.zeros((1, 1, height, width, 4)), jnp.zeros(1), jnp.zeros((1, 1, dim))


def test_paths_are_the_unets_without_the_tail():
    reference = _shapes(ReferenceNet.of(UNet()), jnp.zeros((1, 8, 8, 4)), jnp.zeros((1, 1, 768)))
    unet = _shapes(UNet(temporal=False), *_unet_inputs(8, 8, 768))
    assert all(unet[path] == shape for path, shape in reference.items())
    last = "up_blocks_3/attentions_2/"
    tail = {p for p in unet if p.startswith(("conv_norm_out/", "conv_out/", last))}
    kept = {last + p for p in ("norm/scale", "norm/bias", "proj_in/kernel", "proj_in/bias",
                               "transformer_blocks_0/norm1/scale", "transformer_blocks_0/norm1/bias")}
    assert set(unet) - set(reference) == tail - kept


def test_stops_after_the_last_level_with_attention():
    model = ReferenceNet.of(UNet(attention_levels=(False, True), **TINY))
    paths = _shapes(model, jnp.zeros((1, 4, 4, 4)), jnp.zeros((1, 1, 6)))
    assert not any(p.startswith("up_blocks_1") or "upsamplers" in p for p in paths)


def test_taps_are_those_the_unet_asks_for():
    levels = {"attention_levels": (True, True)}
    model, inputs = ReferenceNet.of(UNet(**levels, **TINY)), (jnp.zeros((2, 5, 3, 4)), jnp.zeros((2, 1, 6)))
    taps, _ = jax.eval_shape(model.init_with_output, jax.random.key(0), *inputs)
    assert UNet(**levels, **TINY).num_taps == 7
    fine, coarse = (2, 15, 8), (2, 6, 16)
    assert [t.shape for t in taps] == [fine, coarse, coarse, coarse, coarse, fine, fine]


def test_every_weight_has_a_gradient():
    model = ReferenceNet.of(UNet(**{**TINY, "block_out_channels": (8,)}, attention_levels=(True,)))
    latents, context = jax.random.normal(jax.random.key(0), (1, 3, 2, 4)), jnp.ones((1, 1, 6))
    shapes = nn.unbox(jax.eval_shape(model.init, jax.random.key(0), latents, context))
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape) * 0.3, x.dtype), shapes)

    def loss(params):
        return sum(jnp.sum(tap**3) for tap in model.apply(params, latents, context))

    grads = jax.jit(jax.grad(loss))(params)
    zero = {p for p, g in flatten_dict(grads["params"], sep="/").items() if not np.any(g)}
    # With one context token the cross-attention's softmax is 1 whatever the query (of norm2) and the key.
    assert all(any(n in p for n in ("attn2/to_q", "attn2/to_k", "transformer_blocks_0/norm2")) for p in zero), zero


def test_no_attention_is_an_error():
    with pytest.raises(ValueError, match="one level"):
        model = ReferenceNet.of(UNet(attention_levels=(False, False), **TINY))
        _shapes(model, jnp.zeros((1, 4, 4, 4)), jnp.zeros((1, 1, 6)))
