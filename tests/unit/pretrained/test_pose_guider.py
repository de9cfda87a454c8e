import numpy as np

from tests.public_weights import listed, shrunk, source, tensors, wanted
from xdancer_jax.pretrained.pose_guider import CONTROLNET, MOORE

WIDTHS = (16, 32, 2, 6)  # of the shrunk list: 96 and 256 by 40
OURS = {"conv_in/kernel": (3, 3, 3, 16), "conv_in/bias": (16,), "conv_out/kernel": (3, 3, 6, 8), "conv_out/bias": (8,)}
for i, (narrow, wide) in enumerate(zip(WIDTHS[:-1], WIDTHS[1:], strict=True)):
    OURS |= {f"block_{i}_conv/kernel": (3, 3, narrow, narrow), f"block_{i}_conv/bias": (narrow,)}
    OURS |= {f"block_{i}_down/kernel": (3, 3, narrow, wide), f"block_{i}_down/bias": (wide,)}


def test_blocks_are_in_turn_a_convolution_and_a_halving_one():
    arrays = tensors(shrunk(listed("moore_pose_guider")))
    opened = source(MOORE, arrays)
    read = opened.read(wanted("pose", OURS))
    for block, name in enumerate(("block_0_conv", "block_0_down", "block_1_conv", "block_1_down", "block_2_conv",
                                  "block_2_down")):
        np.testing.assert_array_equal(
            read[f"params/pose/{name}/kernel"], arrays[f"blocks.{block}.weight"].transpose(2, 3, 1, 0)
        )
    assert len(read) == 16 and opened.fields == {"channels": WIDTHS, "width": 8}


def test_a_controlnet_gives_all_but_the_last_convolution():
    arrays = tensors(shrunk(listed("controlnet")))
    read = source(CONTROLNET, arrays).read(wanted("pose", OURS))
    np.testing.assert_array_equal(
        read["params/pose/block_2_down/bias"], arrays["controlnet_cond_embedding.blocks.5.bias"]
    )
    assert {path.split("/")[2] for path in wanted("pose", OURS)} - {path.split("/")[2] for path in read} == {"conv_out"}


def test_the_original_controlnet_counts_its_layers():
    """lllyasviel/ControlNet cldm.py: input_hint_block, a SiLU between two convolutions, zero_module the last."""
    embedding = {name: x for name, x in tensors(shrunk(listed("controlnet"))).items() if "cond_embedding" in name}
    places = {"conv_in": 0, **{f"blocks.{i}": 2 + 2 * i for i in range(6)}, "conv_out": 14}
    original = {}
    for name, array in embedding.items():
        module, leaf = name.removeprefix("controlnet_cond_embedding.").rsplit(".", 1)
        original[f"control_model.input_hint_block.{places[module]}.{leaf}"] = array
    rest = {"control_model.zero_convs.0.0.weight": np.ones((8, 8, 1, 1), np.float32)}
    found, same = (source(CONTROLNET, x).read(wanted("pose", OURS)) for x in (original | rest, embedding))
    assert found.keys() == same.keys() and len(same) == 14
    for path, array in same.items():
        np.testing.assert_array_equal(found[path], array)
