"""Our U-Net against diffusers' UNet2DConditionModel and UNetMotionModel, randomly initialised."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.models.unet import UNet

torch = pytest.importorskip("torch", reason="parity needs torch, diffusers and transformers")
diffusers = pytest.importorskip("diffusers", reason="parity needs torch, diffusers and transformers")

CHANNELS, HEADS, GROUPS, CONTEXT = (16, 32, 32), 4, 8, 12
FIELDS = {
    "block_out_channels": CHANNELS, "layers_per_block": 1, "attention_levels": (True, True, False),
    "num_heads": HEADS, "cross_attention_dim": CONTEXT, "norm_groups": GROUPS,
}
THEIRS = {
    "sample_size": 8, "block_out_channels": CHANNELS, "layers_per_block": 1, "cross_attention_dim": CONTEXT,
    "norm_num_groups": GROUPS,
}
TIMES = (3, 801)


def _random(*shape):
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)


def _max_error(ours, theirs):
    theirs = np.asarray(theirs)
    return np.abs(np.asarray(ours) - theirs).max() / np.abs(theirs).max()


@pytest.mark.parametrize("size", [(8, 8), (7, 5)])
def test_spatial(from_torch, size):
    torch.manual_seed(0)
    theirs = diffusers.UNet2DConditionModel(
        **THEIRS, attention_head_dim=HEADS,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    )
    ours = UNet(**FIELDS, temporal=False)
    latents, context = _random(2, 1, *size, 4), _random(2, 3, CONTEXT)
    inputs = (jnp.asarray(latents), jnp.array(TIMES), jnp.asarray(context))
    params = from_torch(theirs, ours, *inputs)
    with torch.no_grad():
        want = theirs(
            torch.from_numpy(latents[:, 0]).permute(0, 3, 1, 2), torch.tensor(TIMES), torch.from_numpy(context)
        ).sample.permute(0, 2, 3, 1)
    error = _max_error(jax.jit(ours.apply)(params, *inputs)[:, 0], want)
    print(f"UNet2DConditionModel {size}: {error:.2e}")
    assert error < 1e-4


class _PerFrame(torch.nn.Module):
    """AnimateDiff's own code normalises each frame; diffusers' port takes statistics over all of them."""

    def __init__(self, norm):
        super().__init__()
        self.norm = norm

    def forward(self, x):
        clips, channels, frames, height, width = x.shape
        y = self.norm(x.transpose(1, 2).reshape(clips * frames, channels, height, width))
        return y.reshape(clips, frames, channels, height, width).transpose(1, 2)


def test_temporal(from_torch):
    torch.manual_seed(0)
    theirs = diffusers.UNetMotionModel(
        **THEIRS, num_attention_heads=HEADS, motion_num_attention_heads=2, motion_max_seq_length=6,
        use_motion_mid_block=True,
        down_block_types=("CrossAttnDownBlockMotion", "CrossAttnDownBlockMotion", "DownBlockMotion"),
        up_block_types=("UpBlockMotion", "CrossAttnUpBlockMotion", "CrossAttnUpBlockMotion"),
    )
    ours = UNet(**FIELDS, temporal_heads=2, temporal_max_frames=6)
    latents, context = _random(2, 5, 8, 8, 4), _random(2, 1, CONTEXT)
    inputs = (jnp.asarray(latents), jnp.array(TIMES), jnp.asarray(context))
    params = from_torch(theirs, ours, *inputs)
    for name, module in list(theirs.named_modules()):
        if name.split(".")[-2:-1] == ["motion_modules"]:
            module.norm = _PerFrame(module.norm)
    with torch.no_grad():
        want = theirs(
            torch.from_numpy(latents).permute(0, 4, 1, 2, 3), torch.tensor(TIMES),
            torch.from_numpy(context).repeat_interleave(5, 0),
        ).sample.permute(0, 2, 3, 4, 1)
    error = _max_error(jax.jit(ours.apply)(params, *inputs), want)
    print(f"UNetMotionModel: {error:.2e}")
    assert error < 1e-4
