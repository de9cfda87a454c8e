import numpy as np
import pytest

from tests.public_weights import listed, ours, shrunk, source, tensors, wanted
from xdancer_jax.pretrained.motion_modules import ANIMATEDIFF


def test_an_adapter_of_diffusers_is_the_same_modules():
    own = {path: shape for path, shape in shrunk(ours("motion_modules")).items() if path.startswith("mid_block/")}
    adapter = shrunk(listed("motion_adapter"))
    adapter = {name: shape for name, shape in adapter.items() if name.startswith("mid_block.")}
    arrays = tensors(adapter)
    read = source(ANIMATEDIFF, arrays).read(wanted("motion_modules", own))
    stem, block = "params/motion_modules/mid_block/motion_modules_0/temporal_transformer", "transformer_blocks_0"
    their = "mid_block.motion_modules.0"
    kernels = {"attention_blocks_1/to_q": "attn2.to_q", "attention_blocks_0/to_v": "attn1.to_v", "ff/net_2": "ff.net.2"}
    for path, name in kernels.items():
        np.testing.assert_array_equal(
            read[f"{stem}/{block}/{path}/kernel"], arrays[f"{their}.transformer_blocks.0.{name}.weight"].T
        )
    for path, name in (("norms_0", "norm1"), ("norms_1", "norm2"), ("ff_norm", "norm3")):
        np.testing.assert_array_equal(
            read[f"{stem}/{block}/{path}/scale"], arrays[f"{their}.transformer_blocks.0.{name}.weight"]
        )
    assert len(read) == 26


def test_modules_saved_inside_a_wrapper_are_found():
    wrapped = {f"module.{name}": shape for name, shape in listed("mm_sd_v15_v2").items()}
    assert len(source(ANIMATEDIFF, wrapped).entries(ours("motion_modules"))) == 546


def test_modules_without_the_middle_one_say_so():
    shapes = {name: shape for name, shape in listed("mm_sd_v15_v2").items() if not name.startswith("mid_block")}
    opened = source(ANIMATEDIFF, shapes)
    assert opened.fields["mid_temporal"] is False
    with pytest.raises(ValueError, match="missing mid_block.motion_modules.0.temporal_transformer.norm.bias"):
        opened.entries(ours("motion_modules"))
