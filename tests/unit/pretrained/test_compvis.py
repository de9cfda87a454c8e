import re

import numpy as np
import pytest

from tests.public_weights import listed, ours, shrunk, source, tensors, wanted
from xdancer_jax.pretrained import autoencoder, compvis, unet

OLD = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}  # diffusers before 0.18


def _plain(shape):
    return shape[:2] if shape[2:] == (1, 1) else shape


@pytest.mark.parametrize("rename, prefix, file", [
    (compvis.unet, compvis.UNET, "sd15_unet"), (compvis.autoencoder, compvis.AUTOENCODER, "sd_vae"),
])  # fmt: skip
def test_original_names_are_diffusers_names_of_the_same_shape(rename, prefix, file):
    """Both lists are golden; diffusers' own converters (loaders/single_file_utils.py) map the one to the other."""
    original = {name: shape for name, shape in listed("sd15_compvis").items() if name.startswith(prefix)}
    names = rename(original)
    assert {names[name]: _plain(shape) for name, shape in original.items()} == {
        name: _plain(shape) for name, shape in listed(file).items()
    }


def test_one_level_has_no_halving_to_count_by():
    names = [f"{compvis.UNET}{name}.0.in_layers.0.bias" for name in ("input_blocks.1", "output_blocks.0",
                                                                     "output_blocks.1")]
    assert list(compvis.unet(names).values()) == [
        "down_blocks.0.resnets.0.norm1.bias", "up_blocks.0.resnets.0.norm1.bias", "up_blocks.0.resnets.1.norm1.bias"]


@pytest.mark.parametrize("pixel", [False, True], ids=["linear", "1x1"])
def test_an_autoencoder_of_old_names_reads_the_same_values(pixel):
    arrays, own = tensors(shrunk(listed("sd_vae"), 16)), shrunk(ours("autoencoder", "autoencoder_paper"), 16)
    old = {}
    for name, array in arrays.items():
        match = re.fullmatch(r"(.*\.attentions\.0\.)(to_\w+(?:\.0)?)\.(weight|bias)", name)
        if match:
            name = f"{match[1]}{OLD[match[2]]}.{match[3]}"
            array = array[:, :, None, None] if pixel and array.ndim == 2 else array
        old[name] = array
    assert old.keys() != arrays.keys()
    found = source(autoencoder.SD_VAE, old).read(wanted("autoencoder", own))
    same = source(autoencoder.SD_VAE, arrays).read(wanted("autoencoder", own))
    assert found.keys() == same.keys() and len(same) == 248
    for path, array in same.items():
        np.testing.assert_array_equal(found[path], array)


def test_a_whole_checkpoint_gives_both_networks_and_leaves_the_rest_out():
    shapes = listed("sd15_compvis")
    arrays = tensors({name: shape for name, shape in shapes.items() if "alphas" in name or "betas" in name})
    small = shrunk({name: shape for name, shape in shapes.items() if name not in arrays})
    arrays |= tensors(small)
    read = source(unet.SD15, arrays).read(wanted("unet", shrunk(ours("unet"))))
    np.testing.assert_array_equal(
        read["params/unet/up_blocks_1/upsamplers_0/conv/kernel"],
        arrays["model.diffusion_model.output_blocks.5.2.conv.weight"].transpose(2, 3, 1, 0),
    )
    np.testing.assert_array_equal(
        read["params/unet/up_blocks_0/upsamplers_0/conv/bias"],
        arrays["model.diffusion_model.output_blocks.2.1.conv.bias"],
    )
    np.testing.assert_array_equal(
        read["params/unet/mid_block/resnets_1/time_emb_proj/kernel"],
        arrays["model.diffusion_model.middle_block.2.emb_layers.1.weight"].T,
    )
    assert len(read) == 686
