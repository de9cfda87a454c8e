"""Our image encoder against transformers' CLIPVisionModelWithProjection, randomly initialised."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from xdancer_jax.models.image_encoder import ImageEncoder, preprocess

torch = pytest.importorskip("torch", reason="parity needs torch, diffusers and transformers")
transformers = pytest.importorskip("transformers", reason="parity needs torch, diffusers and transformers")


def test_embedding(from_torch):
    torch.manual_seed(0)
    config = transformers.CLIPVisionConfig(
        hidden_size=24, intermediate_size=96, projection_dim=10, num_hidden_layers=3, num_attention_heads=4,
        image_size=12, patch_size=4,
    )
    theirs = transformers.CLIPVisionModelWithProjection(config)
    ours = ImageEncoder(image_size=12, patch_size=4, width=24, depth=3, heads=4, projection_dim=10)
    pixels = np.random.default_rng(0).standard_normal((2, 12, 12, 3)).astype(np.float32)
    params = from_torch(theirs, ours, jnp.asarray(pixels))
    with torch.no_grad():
        want = theirs(torch.from_numpy(pixels).permute(0, 3, 1, 2)).image_embeds.numpy()
    error = np.abs(np.asarray(jax.jit(ours.apply)(params, pixels))[:, 0] - want).max() / np.abs(want).max()
    print(f"CLIPVisionModelWithProjection: {error:.2e}")
    assert error < 1e-4


# Theirs rounds to 8 bits after each of two passes, ours never does: at most 1.5 levels of 255 in normalised pixels.
ROUNDING = 1.5 / 255 / 0.26


@pytest.mark.parametrize("size", [(20, 20), (56, 32), (31, 50)])
def test_crop_is_clips_own_preprocessing(size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    processor = transformers.CLIPImageProcessor(size={"shortest_edge": 12}, crop_size=12)
    want = processor(image, return_tensors="np", input_data_format="channels_last")["pixel_values"][0]
    got = preprocess(jnp.asarray(image)[None], 12, "crop")[0].transpose(2, 0, 1)
    assert np.abs(np.asarray(got) - want).max() < ROUNDING


@pytest.mark.parametrize("size", [(20, 20), (56, 32), (31, 50)])
def test_squash_is_pillows_resize_to_a_square(size):
    """And then CLIP's preprocessing, as Moore-AnimateAnyone's inference has it."""
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    squashed = np.array(Image.fromarray(image).resize((12, 12), Image.Resampling.BICUBIC))
    processor = transformers.CLIPImageProcessor(size={"shortest_edge": 12}, crop_size=12)
    want = processor(squashed, return_tensors="np", input_data_format="channels_last")["pixel_values"][0]
    got = preprocess(jnp.asarray(image)[None], 12, "squash")[0].transpose(2, 0, 1)
    assert np.abs(np.asarray(got) - want).max() < ROUNDING
