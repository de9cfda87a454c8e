import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.models.pose_tokenizer import PoseTokenizer

PARTS = ((3, 0), (1, 4), (2,))
DEPTH, KERNEL = 1, 3


def _model(**changes):
    fields = {
        "parts": PARTS, "tokens_per_part": 2, "codebook_size": 7, "code_dim": 4, "encoder_width": 8,
        "decoder_width": 8, "depth": DEPTH, "kernel": KERNEL, "decay": 0.9, "reset_below": 0.05,
    }
    return PoseTokenizer(**(fields | changes))


@pytest.fixture(scope="module")
def poses():
    return jnp.asarray(np.random.default_rng(0).uniform(size=(2, 9, 5, 3)), jnp.float32)


@pytest.fixture(scope="module")
def variables(poses):
    """Own random weights: the second convolution of a block starts at zero, and init is slow to compile."""
    shapes = jax.eval_shape(lambda: nn.unbox(_model().init(jax.random.key(0), poses)))
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda x: jnp.asarray(0.3 * rng.normal(size=x.shape), x.dtype), shapes)


def _apply(variables, x, method="__call__"):
    return jax.jit(_model().apply, static_argnames="method")(variables, x, method=method)


def test_decode_of_encode_is_the_reconstruction(variables, poses):
    predicted, tokens, *_ = _apply(variables, poses)
    np.testing.assert_array_equal(_apply(variables, poses, "encode"), tokens)
    np.testing.assert_allclose(_apply(variables, tokens, "decode"), predicted, atol=1e-5)
    assert tokens.shape == (2, 9, 3, 2)
    assert predicted[..., 2].min() >= 0 and predicted[..., 2].max() <= 1


def test_lookup_gives_standardised_codes_in_token_order(variables, poses):
    tokens = _apply(variables, poses, "encode")
    codes = _apply(variables, tokens, "lookup")
    table = np.asarray(variables["codebook"]["quantizer"]["embedding"])[2]
    expected = (table[tokens[1, 4, 2, 1]] - table.mean(0)) / table.std(0)
    np.testing.assert_allclose(codes[1, 4, 2 * 2 + 1], expected, rtol=1e-4, atol=1e-5)


def test_codes_are_those_of_the_tokens_and_have_a_gradient_through_the_encoders(variables, poses):
    codes = _apply(variables, poses, "codes")
    chex.assert_trees_all_equal(codes, _apply(variables, _apply(variables, poses, "encode"), "lookup"))

    def loss(params, poses):
        return jnp.sum(_model().apply({**variables, "params": params}, poses, method="codes")[:, :, 2])  # of part 1

    of_params, of_poses = jax.jit(jax.grad(loss, (0, 1)))(variables["params"], poses)
    reached = {name for name, tree in of_params.items() if max(jnp.abs(x).max() for x in jax.tree.leaves(tree)) > 0}
    assert reached == {"encoder_1", "projection_1"}
    assert set(np.argwhere(np.abs(of_poses).max((0, 1, 3)) > 0).ravel()) == set(PARTS[1])
    # a step of the bias by a codebook's deviation is one of 1 in the code
    deviation = variables["codebook"]["quantizer"]["embedding"][1].std(0)
    chex.assert_trees_all_close(of_params["projection_1"]["bias"][:4] * deviation, jnp.full(4, 18.0), rtol=1e-4)


def test_a_part_sees_only_its_own_joints_and_only_frames_within_reach(variables, poses):
    model = _model().bind(variables)
    gradient = jax.jit(jax.grad(lambda x: jnp.sum(model._latents(x)[0, 4, 1])))(poses)
    seen = np.argwhere(np.abs(gradient).max(axis=-1) > 0)
    assert set(seen[:, 2]) == set(PARTS[1])
    assert set(seen[:, 0]) == {0}
    reach = (DEPTH + 1) * (KERNEL - 1) // 2
    assert set(seen[:, 1]) == set(range(4 - reach, 4 + reach + 1))


def test_heads_write_their_own_joints(variables, poses):
    tokens = _apply(variables, poses, "encode")
    before = _apply(variables, tokens, "decode")
    head = jax.tree.map(lambda x: x + 1.0, variables["params"]["head_1"])
    after = _apply({**variables, "params": {**variables["params"], "head_1": head}}, tokens, "decode")
    changed = np.abs(np.asarray(before - after)).max(axis=(0, 1, 3)) > 0
    assert tuple(np.flatnonzero(changed)) == PARTS[1]


def test_a_single_frame_can_be_encoded(variables, poses):
    assert _apply(variables, poses[:, :1], "encode").shape == (2, 1, 3, 2)


def test_joint_in_no_part_or_in_two_is_refused(poses):
    with pytest.raises(ValueError, match="exactly one part"):
        jax.eval_shape(_model(parts=((0, 1, 2), (2, 3, 4))).init, jax.random.key(0), poses)


def test_paper_size_has_512_codes_of_6_for_each_of_30_tokens():
    parts = (tuple(range(60)),)
    model = _model(parts=parts, tokens_per_part=30, codebook_size=512, code_dim=6, encoder_width=256, decoder_width=512)
    tokens = jax.eval_shape(lambda: model.init_with_output(jax.random.key(0), jnp.zeros((1, 4, 60, 3)))[0][1])
    assert tokens.shape == (1, 4, 1, 30)
