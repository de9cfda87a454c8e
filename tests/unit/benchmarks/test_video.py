import numpy as np
import pytest

pytest.importorskip("diffusers", reason="benchmarks.video needs the extra parity")

import torch  # noqa: E402

from tests import command_line  # noqa: E402

video = command_line.imported("benchmarks.video")


@pytest.mark.parametrize("row", [
    lambda: video.unet_row(1, (80, 80), divisor=10), lambda: video.train_step_row(1, (64, 64), divisor=8),
])
def test_a_row_holds_both_times_and_their_ratio(row):
    found = row()
    assert found["seconds"] > 0 and found["ratio"] == pytest.approx(found["seconds"] / found["torch_seconds"])


def test_attention_tells_its_temporaries():
    forward, both = video.attention_rows(1, 512, 2, 8)
    assert forward["what"] == "attention, forward" and 0 < both["temporaries_over_naive"] < 1


def test_both_u_nets_have_the_same_parameters():
    ours, theirs = video._unets((32, 64, 64, 64))
    params = video._params(ours, video._inputs(1, (8, 8), 3))
    count = sum(np.prod(leaf.shape) for leaf in video.jax.tree.leaves(params))
    assert count == sum(weight.numel() for weight in theirs.parameters())
    assert isinstance(theirs, torch.nn.Module)
