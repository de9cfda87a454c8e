import pytest

from tests.public_weights import listed, ours, source
from xdancer_jax.pretrained import unet


def test_missing_and_extra_tensors_of_a_u_net_are_all_listed():
    shapes = listed("sd15_unet")
    del shapes["conv_out.bias"], shapes["mid_block.attentions.0.proj_in.weight"]
    shapes |= {"up_blocks.4.resnets.0.conv1.weight": (4, 4, 3, 3), "position_ids": (1, 77)}
    with pytest.raises(ValueError, match=r"the U-Net of Stable Diffusion 1\.x") as error:
        source(unet.SD15, shapes).entries(ours("unet"))
    assert str(error.value).splitlines()[1:] == [
        "  extra position_ids", "  extra up_blocks.4.resnets.0.conv1.weight", "  missing conv_out.bias",
        "  missing mid_block.attentions.0.proj_in.weight",
    ]


def test_a_projection_that_is_linear_is_no_convolution():
    """Stable Diffusion 2's "use_linear_projection": rank decides."""
    shapes = listed("sd15_unet") | {"mid_block.attentions.0.proj_in.weight": (1280, 1280)}
    with pytest.raises(ValueError, match=r"mis-shaped mid_block.attentions.0.proj_in.weight: \(1280, 1280\), \(1280, "):
        source(unet.SD15, shapes).entries(ours("unet"))


def test_the_denoiser_may_not_lack_what_the_reference_net_does():
    with pytest.raises(ValueError, match="missing conv_norm_out.bias"):
        source(unet.MOORE_DENOISING, listed("moore_reference_unet")).entries(ours("unet"))
