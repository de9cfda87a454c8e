import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import motion
from xdancer_jax import flops
from xdancer_jax.models.music_gpt import MusicGPT
from xdancer_jax.nn import attention as attention_module
from xdancer_jax.nn.attention import attention
from xdancer_jax.sharding import make_mesh

ROWS = 2
_NHWC = ("NHWC", "HWIO", "NHWC")
CONVOLUTIONS = {
    "strided": ((2, 9, 8, 6), (3, 3, 6, 10), {"window_strides": (2, 1), "padding": ((1, 1), (0, 1))}),
    "grouped": ((2, 9, 8, 6), (3, 3, 2, 9), {"window_strides": (1, 2), "padding": "SAME", "feature_group_count": 3}),
    "dilated": ((2, 9, 8, 6), (3, 3, 6, 10), {
        "window_strides": (1, 1), "padding": ((2, 1), (0, 2)), "rhs_dilation": (2, 1), "lhs_dilation": (1, 3)}),
    "batch groups": ((4, 9, 8, 6), (3, 3, 6, 10), {
        "window_strides": (1, 1), "padding": "SAME", "batch_group_count": 2}),
}


def shape(*sizes, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(sizes, dtype)


def by_xla(function, *args):
    return jax.jit(function).lower(*args).cost_analysis()["flops"]


@pytest.mark.parametrize("case", CONVOLUTIONS)
@pytest.mark.parametrize("gradient", [False, True])
def test_convolutions_count_as_xla_counts_them(case, gradient):
    left, right, options = CONVOLUTIONS[case]
    function = functools.partial(jax.lax.conv_general_dilated, dimension_numbers=_NHWC, **options)
    args = shape(*left), shape(*right)
    if gradient:  # in both inputs, and no forward pass, whose result nothing depends on
        forward = function
        function = jax.grad(lambda x, w: jnp.sum(forward(x, w)), argnums=(0, 1))
    assert flops.of(function, *args) == by_xla(function, *args)


@pytest.mark.parametrize("equation, left, right", [
    ("bmk,bkn->bmn", (3, 4, 5), (3, 5, 7)), ("mk,kn->nm", (4, 5), (5, 7)), ("abk,kab->", (2, 3, 5), (5, 2, 3))])
def test_products_count_as_xla_counts_them(equation, left, right):
    function = functools.partial(jnp.einsum, equation)
    args = shape(*left), shape(*right)
    assert flops.of(function, *args) == by_xla(function, *args)


def test_loops_and_branches():
    x, stack = shape(8, 8), shape(5, 8, 8)
    product = 2 * 8**3
    assert flops.of(lambda x, stack: jax.lax.scan(lambda c, w: (c @ w, None), x, stack)[0], x, stack) == 5 * product
    assert flops.of(lambda x: jax.lax.fori_loop(0, 7, lambda _, c: c @ c, x), x) == 7 * product
    assert flops.of(
        lambda x: jax.lax.cond(x[0, 0] > 0, lambda x: x @ x @ x, lambda x: x @ x, x), x) == 2 * product
    assert flops.of(lambda x: jax.lax.while_loop(lambda c: c[0, 0] < 9, lambda c: c + 1, x) @ x, x) == product
    with pytest.raises(ValueError, match="a while loop holds products"):
        flops.of(lambda x: jax.lax.while_loop(lambda c: c[0, 0] < 9, lambda c: c @ c, x), x)


def test_functions_with_rules_of_their_own_count_inside():
    x, product = shape(8, 8), 2 * 8**3

    @jax.custom_vjp
    def square(x):
        return x @ x

    square.defvjp(lambda x: (square(x), x), lambda x, g: (g @ x.T + x.T @ g,))
    assert flops.of(jax.jit(square), x) == product
    assert flops.of(jax.value_and_grad(lambda x: jnp.sum(square(x))), x) == 3 * product
    assert flops.of_gradient(lambda x: jnp.sum(square(x)), x) == 3 * product


def test_a_shard_map_counts_all_devices():
    mesh = make_mesh({"data": 1, "fsdp": 1, "tensor": 1}, jax.devices()[:1])
    abstract = jax.sharding.AbstractMesh((4, 2), ("a", "b"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
    spec = jax.P("a", None)

    def traced(mesh, spec):
        return jax.shard_map(lambda x: x @ jnp.ones((8, 3)), mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)

    assert flops.of(traced(mesh, jax.P("data", None)), shape(16, 8)) == 2 * 16 * 8 * 3
    # Over "b" every device computes the same: two times the work that one device would have.
    assert flops.of(traced(abstract, spec), shape(16, 8)) == 2 * 2 * 16 * 8 * 3


@pytest.mark.parametrize("policy", [None, jax.checkpoint_policies.dots_with_no_batch_dims_saveable])
def test_what_is_computed_again_is_no_model_flops(policy):
    def loss(weights, x):
        def layer(x, weight):
            return jax.checkpoint(lambda x: jnp.tanh(jnp.tanh(x @ weight) @ weight), policy=policy)(x), None

        return jnp.sum(jax.lax.scan(layer, x, weights)[0])

    args, forward = (shape(3, 8, 8), shape(2, 8)), 3 * 2 * 2 * 2 * 8 * 8
    assert flops.of(loss, *args) == forward
    assert flops.of(jax.value_and_grad(loss), *args) == (3 if policy else 4) * forward
    assert flops.of_gradient(loss, *args) == 3 * forward


@pytest.fixture
def cudnn(monkeypatch):
    """Traces as where there is cuDNN."""
    module = "jax._src.cudnn.fused_attention_stablehlo"
    monkeypatch.setattr(f"{module}.check_cudnn_version", lambda: 91_000)
    monkeypatch.setattr(f"{module}.check_compute_capability", lambda wanted: True)
    monkeypatch.setattr(attention_module, "has_cudnn", lambda query: True)


@pytest.fixture
def splash(monkeypatch):
    monkeypatch.setattr(attention_module, "platform", lambda: "tpu")


@pytest.mark.parametrize("kernel, again", [("cudnn", 1), ("splash", 3)])
def test_fused_causal_attention_counts_the_causal_half(kernel, again, request):
    request.getfixturevalue(kernel)
    rows, length, heads, width = 2, 256, 3, 64
    query = shape(rows, length, heads, width, dtype=jnp.bfloat16)

    def loss(query, key, value):
        return jnp.sum(attention(query, key, value, is_causal=True).astype(jnp.float32))

    product = 2 * rows * heads * width * length * (length + 1) / 2
    wanted = jax.value_and_grad(loss, argnums=(0, 1, 2))
    assert flops.of(loss, query, query, query) == 2 * product
    lost = 2 * rows * heads * length * width if kernel == "splash" else 0  # its row sums, which are a product there
    assert flops.of(wanted, query, query, query) == (6 + again) * product + lost
    assert flops.of_gradient(lambda all: loss(*all), (query,) * 3) == 6 * product + lost


@pytest.mark.parametrize("kernel, again", [("splash", 3), ("blocks", 1), ("cudnn", 1)])
@pytest.mark.parametrize("lengths", [False, True])
def test_attention_to_other_keys_counts_all_of_them(kernel, again, lengths, request):
    if kernel != "blocks":
        request.getfixturevalue(kernel)
    rows, length, keys, heads, width = 2, 512, 1024, 3, 64
    query, key = (shape(rows, size, heads, width, dtype=jnp.bfloat16) for size in (length, keys))

    def loss(query, key, value):
        seen = jnp.full(rows, 700) if lengths else None
        return jnp.sum(attention(query, key, value, key_lengths=seen).astype(jnp.float32))

    product = 2 * rows * heads * width * length * keys
    lost = 2 * rows * heads * length * width if kernel == "splash" else 0
    assert flops.of(jax.value_and_grad(loss, argnums=(0, 1, 2)), query, key, key) == (6 + again) * product + lost
    assert flops.of_gradient(lambda all: loss(*all), (query, key, key)) == 6 * product + lost


def _music_gpt(**changes) -> MusicGPT:
    return MusicGPT(**(motion.get_config("medium").model.to_dict() | {"dropout": 0.0} | changes))


def _by_hand(model: MusicGPT, rows: int, causal: float) -> float:
    """Of blocks and heads, forward once and backward twice (PaLM, appendix B). causal: of attention, what counts."""
    slots, width = model.num_positions, model.width
    block = 2 * 12 * width**2 + 4 * width * slots * causal
    heads = 2 * width * model.codebook_size * model.segment_frames * model.frame_tokens
    return 3.0 * rows * (slots * model.num_layers * block + heads)


@pytest.mark.parametrize("remat", ["none", "dots", "full"])
def test_model_flops_of_the_motion_model_are_those_by_hand(remat):
    """What the formula leaves out (projections of music, the token table) is 0.08% of the medium model."""
    model, ints = _music_gpt(remat=remat), jnp.int32
    inputs = (
        shape(ROWS, 64, 5, 6, dtype=ints), shape(ROWS, 8, 5, 6, dtype=ints), shape(ROWS, 8, dtype=ints),
        shape(ROWS, 64, 35), shape(ROWS, 64, 35),
    )
    params = jax.eval_shape(model.init, jax.random.key(0), *inputs)

    def loss(params, *inputs):
        return jnp.mean(jnp.square(model.apply(params, *inputs)))

    found = flops.of_gradient(loss, params, *inputs)
    stops = np.minimum(np.arange(0, 2224, 256) + 256, 2224)  # blocks of queries, each with the keys before its end
    causal = np.sum(np.diff(stops, prepend=0) * stops) / 2224**2
    assert 0.5 < causal < 0.56
    assert found == pytest.approx(_by_hand(model, ROWS, causal), rel=2e-3)
    assert found == pytest.approx(_by_hand(model, ROWS, 0.5), rel=0.02)
