"""The codebook's moving averages and resets add up over the mesh: the real tokenizer stage, on toy poses.

All is compared to 1e-6, absolute, in values of order one: codes as they are; counts and sums over the even share of
latents a code, EVEN, since they grow with the batch. Parameters are not: Adam's first step divides a gradient by its
size, and where that was 3e-9 beside others of 3e-5, the order of a sum moved one weight by 2e-5.
"""

import itertools

import jax
import numpy as np
import pytest

from tests import toy_stage
from xdancer_jax import sharding
from xdancer_jax.models.pose_tokenizer import PoseTokenizer
from xdancer_jax.stages import tokenizer
from xdancer_jax.train.hooks import Hook
from xdancer_jax.train.parts import Part

PARTS, TOKENS, CODES = ((0, 2, 5), (1, 3, 4)), 2, 16
STEPS, BATCH, FRAMES = 12, 16, 8
EVEN = BATCH * FRAMES * TOKENS / CODES
MESHES = [((8, 1, 1), "data"), ((1, 8, 1), "fsdp"), ((2, 2, 2), "fsdp_tensor")]


def batches(start):
    """Joints on circles; batch n is a function of n alone."""
    for step in itertools.count(start):
        phase = np.random.default_rng(step).uniform(0, 2 * np.pi, size=(BATCH, 1, 6))
        angle = phase + 0.3 * np.arange(FRAMES)[None, :, None]
        yield {"poses": np.stack([np.cos(angle), np.sin(angle), 0 * angle + 0.9], axis=-1).astype(np.float32)}


def train(workdir, sizes=None, table="data"):
    """Parameters, the codebook's state after every step ({name: (steps, ...)}), and the tokens of a new batch."""
    model = PoseTokenizer(
        parts=PARTS, tokens_per_part=TOKENS, codebook_size=CODES, code_dim=4, encoder_width=16, decoder_width=16,
        depth=1, kernel=3, decay=0.7, reset_below=0.5,
    )
    stage = tokenizer.make(
        model, ("upper", "lower"), commitment_weight=0.25, confidence_weighted=False, velocity_weight=0.0,
        acceleration_weight=0.0,
    )
    mesh = sizes and sharding.make_mesh(dict(zip(("data", "fsdp", "tensor"), sizes, strict=True)))
    history = []

    def keep(step, state):
        history.append(jax.device_get(state.extra["tokenizer"]["codebook"]["quantizer"]))
        return {}

    state, _ = toy_stage.run(
        workdir, STEPS, stage=stage, fates={"tokenizer": Part()}, mesh=mesh, table=table, make_iterator=batches,
        checkpoint_every=0, hooks=[Hook("keep", 1, keep)],
    )
    output = jax.jit(stage.functions["reconstruct"])(state.params, state.extra, next(batches(99)), jax.random.key(0))
    codebook = {name: np.stack([entry[name] for entry in history]) for name in history[0]}
    return jax.device_get(state.params), codebook, np.asarray(output["tokens"])


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    return train(tmp_path_factory.mktemp("single"))


def fresh(codebook):
    """Which codes were set anew, (steps, S, V): those whose count is the even share to the last bit."""
    return codebook["counts"] == EVEN


def test_dead_codes_start_anew_throughout_the_run(single):
    _, codebook, _ = single
    resets = fresh(codebook)
    assert resets[1:].any(axis=(1, 2)).sum() >= 4  # steps after the first, which fills the codebook
    assert not resets.all(axis=(1, 2)).any() and resets[-1].sum() < resets[0].size / 2
    np.testing.assert_array_equal(codebook["sums"][resets], codebook["embedding"][resets] * np.float32(EVEN))
    assert 0.1 < np.abs(codebook["embedding"]).mean() < 10


@pytest.mark.parametrize("sizes, table", MESHES, ids=str)
def test_a_mesh_keeps_the_codebook_of_one_device_and_is_deterministic(sizes, table, single, tmp_path):
    params, codebook, tokens = train(tmp_path / "first", sizes, table)
    _, codebook_1, tokens_1 = single
    np.testing.assert_array_equal(fresh(codebook), fresh(codebook_1))
    np.testing.assert_array_equal(tokens, tokens_1)
    for name, scale in (("embedding", 1.0), ("counts", EVEN), ("sums", EVEN)):
        np.testing.assert_allclose(codebook[name] / scale, codebook_1[name] / scale, rtol=0, atol=1e-6, err_msg=name)
    assert len(np.unique(tokens)) > CODES // 2

    again = train(tmp_path / "again", sizes, table)
    toy_stage.assert_same((params, codebook, tokens), again)
