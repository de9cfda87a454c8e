"""Every model on eight devices: activations stay split over the batch, and the loss is that of one device.

BATCH is eight times 7, and no other size of these models has the factor 7: an array with this factor in its size has
examples in it. Without keep_batch_split the table "fsdp" fails for five models and "fsdp_tensor" for four.
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs.sharding import TABLES
from launch.compiling.collectives import collectives, shapes
from xdancer_jax import boxes, sharding
from xdancer_jax.models.autoencoder import AutoencoderKL
from xdancer_jax.models.image_encoder import ImageEncoder
from xdancer_jax.models.motion_decoder import MotionDecoder
from xdancer_jax.models.music_gpt import MusicGPT
from xdancer_jax.models.pose_guider import PoseGuider
from xdancer_jax.models.pose_tokenizer import PoseTokenizer
from xdancer_jax.models.reference_net import ReferenceNet
from xdancer_jax.models.unet import UNet
from xdancer_jax.nn.batch_split import keep_batch_split
from xdancer_jax.rng import Chance
from xdancer_jax.train.step import compile_for

BATCH, FRAMES, DEVICES = 56, 3, 8
MESHES = [("data", (8, 1, 1)), ("fsdp", (1, 8, 1)), ("fsdp_tensor", (2, 2, 2))]
SLOW = ("unet", "reference_net", "autoencoder")
QUICK = {"xla_backend_optimization_level": 0}  # most of the time is the compiler's
TRUNK = {
    "block_out_channels": (8, 16), "layers_per_block": 1, "attention_levels": (False, True), "num_heads": 2,
    "cross_attention_dim": 8, "norm_groups": 4,
}


def floats(*shape):
    return np.random.default_rng(0).normal(size=(BATCH, *shape)).astype(np.float32)


def ints(limit, *shape):
    return np.random.default_rng(0).integers(0, limit, (BATCH, *shape)).astype(np.int32)


def unet():
    """With temporal modules, reference and residuals; odd sizes."""
    model = UNet(**TRUNK, temporal_heads=2, temporal_max_frames=4, mid_temporal=False)
    inputs = {
        "latents": floats(FRAMES, 5, 3, 4), "timesteps": ints(999), "context": floats(1, 8),
        "reference": tuple(floats(6, 16) for _ in range(model.num_taps)), "reference_mask": ints(2) > 0,
        "residuals": (floats(FRAMES, 5, 3, 8), floats(FRAMES, 3, 2, 16)),
    }
    return model, inputs


def music_gpt():
    model = MusicGPT(
        num_layers=2, width=16, num_heads=2, num_parts=2, tokens_per_part=2, codebook_size=8, segment_frames=3,
        context_frames=2, global_tokens=3, music_width=8, music_kernel=2, global_music=True, motion_context=True,
        dropout=0.0, remat="dots",
    )
    inputs = {
        "tokens": ints(8, 3, 2, 2), "context": ints(8, 2, 2, 2), "context_index": ints(3, 2), "music": floats(6, 5),
        "song": floats(3, 5),
    }
    return model, inputs


def pose_tokenizer():
    model = PoseTokenizer(
        parts=((3, 0), (1, 4), (2,)), tokens_per_part=2, codebook_size=16, code_dim=4, encoder_width=8, decoder_width=8,
        depth=1, kernel=3, decay=0.9, reset_below=0.05,
    )
    return model, {"poses": floats(5, 5, 3)}


MODELS = {
    "music_gpt": music_gpt,
    "pose_tokenizer": pose_tokenizer,
    "autoencoder": lambda: (
        AutoencoderKL((8, 16), layers_per_block=1, latent_channels=2, norm_groups=4),
        {"images": floats(10, 4, 3), "chance": Chance.whole(jax.random.key(1), BATCH)},
    ),
    "unet": unet,
    "reference_net": lambda: (
        ReferenceNet.of(UNet(**TRUNK | {"block_out_channels": (8,), "attention_levels": (True,), "remat": "full"})),
        {"latents": floats(5, 3, 4), "context": floats(1, 8)},
    ),
    "motion_decoder": lambda: (
        MotionDecoder((8, 16), (6, 10), (8, 8), style_width=8, temporal_kernel=5),
        {"codes": floats(FRAMES, 4, 3), "confidences": floats(FRAMES, 5)},
    ),
    "pose_guider": lambda: (PoseGuider((8, 16), channels=(8, 8, 16)), {"images": floats(FRAMES, 12, 8, 3)}),
    "image_encoder": lambda: (
        ImageEncoder(image_size=6, patch_size=2, width=16, depth=1, heads=2, projection_dim=8),
        {"pixels": floats(6, 6, 3)},
    ),
}


@functools.cache
def case(name):
    """(loss of variables and inputs, boxed shapes of the variables, their values, inputs)."""
    model, inputs = MODELS[name]()
    boxed = jax.eval_shape(functools.partial(model.init, jax.random.key(0)), **inputs)
    rng = np.random.default_rng(1)
    variables = jax.tree.map(lambda x: (0.3 * rng.normal(size=x.shape)).astype(x.dtype), boxes.unbox(boxed))
    params, extra = variables.pop("params"), variables

    def loss(params, extra, inputs):
        out = model.apply({"params": params, **extra}, **inputs)
        return sum(jnp.mean(jnp.square(x)) for x in jax.tree.leaves(out) if x.dtype == jnp.float32)

    return jax.value_and_grad(loss), boxed, (params, extra), inputs


@functools.cache
def alone(name):
    function, _, variables, inputs = case(name)
    return jax.device_get(jax.jit(function, compiler_options=QUICK)(*variables, inputs))


def whole_batch(shape):
    """Whether one dimension is that of all clips, or of all their frames."""
    return bool({BATCH, BATCH * FRAMES} & set(shape))


# Stages are tested as a whole (test_stages_mesh.py); this tells which model it was. Where weights are whole XLA finds
# the batch by itself, and what takes longest to compile is tested by one table.
CASES = [(name, *mesh) for name in MODELS for mesh in MESHES[1:] if mesh[0] == "fsdp" or name not in SLOW]


@pytest.mark.parametrize(("name", "table", "sizes"), CASES, ids=str)
def test_no_collective_carries_the_whole_batch_and_the_loss_is_one_device_s(name, table, sizes):
    function, boxed, variables, inputs = case(name)
    mesh, rules = sharding.make_mesh(dict(zip(("data", "fsdp", "tensor"), sizes, strict=True))), TABLES[table]
    places = dict(sharding.shardings(boxed, mesh, rules))
    places = places.pop("params"), places
    split, whole = sharding.batch_sharding(mesh, rules, BATCH), sharding.replicated(mesh)
    of_inputs = jax.tree.map(lambda x: split if x.shape[:1] == (BATCH,) else whole, inputs)
    arguments = jax.device_put((*variables, inputs), (*places, of_inputs))
    options = {"out_shardings": (whole, places[0]), "compiler_options": QUICK}
    compiled = compile_for(mesh, rules, function, *arguments, **options)

    found = collectives(compiled.as_text())
    if table == "fsdp_tensor":  # over "tensor" activations are exchanged, but of a part of the batch
        full = [c for c in found if whole_batch(c.shape)]
    else:
        full = [c for c in found if c.size % 7 == 0]
        assert not [shape for shape in shapes(compiled.as_text()) if whole_batch(shape)]
    assert found and not full, "\n".join(map(str, full))
    loss, gradients = compiled(*arguments)
    np.testing.assert_allclose(loss, alone(name)[0], rtol=1e-5)
    # Of all gradients at once: where norms of few cells all but cancel them, single ones are mostly rounding.
    off = optax.tree.norm(optax.tree.sub(jax.device_get(gradients), alone(name)[1])) / optax.tree.norm(alone(name)[1])
    assert off < 1e-3


def test_a_table_without_the_batch_is_refused():
    with nn.logical_axis_rules((("embed", None),)), pytest.raises(ValueError, match="batch"):
        keep_batch_split(jnp.zeros((2, 3)))


def test_without_rules_nothing_is_added():
    assert "sharding" not in str(jax.make_jaxpr(keep_batch_split)(jnp.zeros((2, 3))))
