import numpy as np
import pytest

from tests.public_weights import listed, source, wanted
from xdancer_jax.pretrained.autoencoder import SD_VAE


@pytest.mark.parametrize("described, scale", [({}, 0.18215), ({"scaling_factor": 0.13025}, 0.13025)])
def test_latents_are_normalised_by_the_constant_of_the_file(described, scale):
    opened = source(SD_VAE, listed("sd_vae"), described)
    place = wanted("autoencoder", {"x": (4,)})["params/autoencoder/x"]
    paths = [f"extra/autoencoder/latents/{name}" for name in ("mean", "std")]
    opened = type(opened)(opened.kind, opened.path, {}, opened.described)
    found = opened.read(dict.fromkeys(paths, place))
    np.testing.assert_array_equal(found[paths[0]], np.zeros(4))
    np.testing.assert_allclose(found[paths[1]], np.full(4, 1 / scale), rtol=1e-6)


def test_a_file_without_an_encoder_is_none():
    with pytest.raises(KeyError, match=r"encoder.down_blocks.0"):
        _ = source(SD_VAE, {"post_quant_conv.weight": (4, 4, 1, 1)}).fields
