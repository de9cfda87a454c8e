import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import topologies
from jax.extend.core import primitives

from configs.ranges import REMAT
from xdancer_jax import flops
from xdancer_jax.models.autoencoder import AutoencoderKL
from xdancer_jax.models.music_gpt import MusicGPT
from xdancer_jax.models.pose_tokenizer import PoseTokenizer
from xdancer_jax.models.reference_net import ReferenceNet
from xdancer_jax.models.unet import UNet
from xdancer_jax.nn.remat import POLICIES, recomputed
from xdancer_jax.nn.transformer import MultiHeadAttention
from xdancer_jax.rng import Chance
from xdancer_jax.sharding import make_mesh

OTHERS = [name for name in POLICIES if name != "none"]
_TRUNK = UNet(
    block_out_channels=(8,), layers_per_block=1, attention_levels=(True,), num_heads=2, cross_attention_dim=6,
    norm_groups=4, temporal_heads=2, temporal_max_frames=2,
)


def floats(*shape):
    return jnp.asarray(np.random.default_rng(sum(shape)).normal(size=shape), jnp.float32)


def ints(high, *shape):
    return jnp.asarray(np.random.default_rng(sum(shape)).integers(0, high, shape), jnp.int32)


def tokenizer(remat):
    model = PoseTokenizer(
        parts=((3, 0), (1, 4), (2,)), tokens_per_part=2, codebook_size=7, code_dim=4, encoder_width=8, decoder_width=8,
        depth=1, kernel=3, decay=0.9, reset_below=0.05, remat=remat,
    )
    return model, (floats(2, 5, 5, 3),)


def motion(remat):
    model = MusicGPT(
        num_layers=2, width=8, num_heads=2, num_parts=2, tokens_per_part=2, codebook_size=5, segment_frames=3,
        context_frames=2, global_tokens=3, music_width=4, music_kernel=0, global_music=True, motion_context=True,
        dropout=0.0, remat=remat,
    )
    return model, (ints(5, 2, 3, 2, 2), ints(5, 2, 2, 2, 2), ints(3, 2, 2), floats(2, 6, 4), floats(2, 3, 4))


def autoencoder(remat):
    model = AutoencoderKL((4,), layers_per_block=1, latent_channels=2, norm_groups=2, remat=remat)
    return model, (floats(1, 4, 3, 3), Chance.whole(jax.random.key(1), 1))


def unet(remat):
    return _TRUNK.copy(remat=remat), (floats(1, 2, 4, 3, 4), jnp.array([5]), floats(1, 1, 6))


def reference_net(remat):
    return ReferenceNet.of(_TRUNK.copy(remat=remat)), (floats(1, 4, 3, 4), floats(1, 1, 6))


# The model, and how many blocks it has that are computed again: stacks of convolutions; layers, which are one loop;
# resnets and attention of encoder and decoder; resnets, transformers and motion modules.
MODELS = {tokenizer: 3 + 1, motion: 1, autoencoder: (1 + 3) + (3 + 2), unet: 3 + 4 + 6, reference_net: 2 + 3 + 4}


@functools.cache
def variables(make):
    model, inputs = make("none")
    shapes = nn.unbox(jax.eval_shape(model.init, jax.random.key(0), *inputs))
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda x: jnp.asarray(0.3 * rng.normal(size=x.shape), x.dtype), shapes)


@functools.cache
def traced(make, remat):
    """Loss and gradient in the weights that `make("none")` has: other names would not be found."""
    model, inputs = make(remat)

    def loss(params, rest):
        outputs = jax.tree.leaves(model.apply({"params": params} | rest, *inputs))
        return sum(jnp.mean(jnp.square(x)) for x in outputs if x.dtype == jnp.float32)

    rest = dict(variables(make))
    return jax.jit(jax.value_and_grad(loss)).trace(rest.pop("params"), rest)


def computed(make, remat):
    rest = dict(variables(make))
    return traced(make, remat).lower().compile()(rest.pop("params"), rest)


@functools.cache
def plain(make):
    return computed(make, "none")


def repeated(jaxpr):
    """Equations that compute a block again."""
    inside = sum(repeated(each) for equation in jaxpr.eqns for each in flops._jaxprs(equation.params))
    return inside + sum(equation.primitive is primitives.remat_p for equation in jaxpr.eqns)


@pytest.mark.parametrize("remat", OTHERS)
@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_loss_and_gradients_are_those_without(make, remat):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), computed(make, remat), plain(make)
    )


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_what_is_not_kept_is_computed_again_in_every_block(make):
    found = {name: traced(make, name).jaxpr.jaxpr for name in POLICIES}
    none, dots, attention, full, offload = (
        flops.count(flops._live(found[name])) for name in ("none", "dots", "attention", "full", "offload")
    )
    # Convolutions alone are kept by "dots", and nothing is left to do; scores of such short attention are not kept.
    assert (none == dots if make is tokenizer else none < dots) and dots == offload < full == attention
    assert {name: repeated(jaxpr) for name, jaxpr in found.items()} == {"none": 0} | dict.fromkeys(OTHERS, MODELS[make])


def test_attention_keeps_what_fused_attention_gives_and_computes_its_projections_again():
    def counted(remat):
        model, x = recomputed(MultiHeadAttention, remat)(2), jnp.ones((1, 128, 8))  # long enough for blocks of queries
        params = jax.eval_shape(model.init, jax.random.key(0), x)
        jaxpr = jax.make_jaxpr(jax.grad(lambda params: jnp.sum(model.apply(params, x) ** 2)))(nn.unbox(params))
        return flops.count(flops._live(jaxpr.jaxpr))

    none, dots, attention, full = map(counted, ("none", "dots", "attention", "full"))
    scores, projections = 2 * 2 * 128 * 128 * 8, 3 * 2 * 128 * 8 * 8
    assert (attention - none, full - attention) == (projections, scores) and dots == none


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_offload_keeps_activations_in_the_hosts_memory_and_others_none(make):
    assert {name for name in POLICIES if "<host>" in str(traced(make, name).jaxpr)} == {"offload"}


def test_compiled_for_a_tpu_offload_takes_memory_of_the_host(monkeypatch):
    """No TPU is needed, but its compiler. JAX leaves a second forward kernel in the program, which nothing reads (it
    takes no pallas_call out); the compiler must."""
    pytest.importorskip("libtpu")
    monkeypatch.setenv("TPU_SKIP_MDS_QUERY", "1")
    devices = topologies.get_topology_desc(platform="tpu", topology_name="v5e:2x2").devices
    mesh = make_mesh({"data": 1, "fsdp": 1, "tensor": 1}, devices[:1])

    def compiled(remat):
        model, inputs = motion(remat)
        model = model.copy(width=128)

        def loss(params, *inputs):
            return jnp.mean(jnp.square(model.apply(params, *inputs)))

        shapes = jax.eval_shape(lambda: (nn.unbox(model.init(jax.random.key(0), *inputs)), *inputs))
        with jax.set_mesh(mesh):
            program = jax.jit(jax.grad(loss)).lower(*shapes).compile()
        text = program.as_text()
        kernels = [line for line in text.splitlines() if "tpu_custom_call" in line]
        assert len(kernels) == 3 * sum("splash_mha_fwd" in line for line in kernels) > 0  # and two of its gradients
        return program.memory_analysis().host_temp_size_in_bytes, text.count("S(5)")

    assert compiled("dots") == (0, 0)
    assert min(compiled("offload")) > 0


def test_without_memory_of_the_host_a_gradient_is_refused_and_nothing_else(monkeypatch):
    monkeypatch.setattr("xdancer_jax.nn.remat.has_host_memory", lambda: False)
    model, x = recomputed(nn.Dense, "offload")(3), jnp.ones((1, 2))
    params = model.init(jax.random.key(0), x)
    assert model.apply(params, x).shape == (1, 3)
    with pytest.raises(ValueError, match='^remat "offload": cpu devices have no pinned_host memory.*model.remat=full'):
        jax.grad(lambda p: jnp.sum(model.apply(p, x) ** 2))(params)


def test_configs_offer_the_policies_there_are_and_no_other_is_taken():
    assert REMAT.values == tuple(POLICIES)
    assert recomputed(nn.Dense, "none") is nn.Dense
    with pytest.raises(ValueError, match="remat 'some' is unknown; choose one of"):
        recomputed(nn.Dense, "some")
