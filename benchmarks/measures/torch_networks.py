"""The networks that metrics look through, of torch packages, with random weights that hide no mistake."""

import numpy as np
import torch
from torch import nn
from torchvision.models.video import resnet as video_resnet


def shaken(module, seed=0):
    """`module` ready to look, every weight and statistic of it random."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in [*module.named_parameters(), *module.named_buffers()]:
            if not value.dtype.is_floating_point:
                continue
            noise = torch.rand(value.shape, generator=generator)
            if value.ndim > 1:
                value += 0.3 * value.std() * (noise - 0.5)
            else:
                value.copy_(0.2 * (noise - 0.5) + (1.0 if name.endswith(("weight", "var")) else 0.0))
    return module.eval()


def arrays(module):
    """Its arrays by name."""
    return {name: value.numpy() for name, value in module.state_dict().items()}


class _Stem(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv3d(3, 64, 7, (1, 2, 2), 3, bias=False), nn.BatchNorm3d(64), nn.ReLU(),
                         nn.MaxPool3d(3, 2, 1))


class _Wide(video_resnet.Bottleneck):
    expansion = 2

    def __init__(self, inplanes, planes, conv_builder, stride=1, downsample=None):
        super().__init__(inplanes, planes, conv_builder, stride, downsample)
        self.conv2[0] = nn.Conv3d(planes, planes, 3, stride, 1, groups=32, bias=False)
        self.conv3 = nn.Sequential(nn.Conv3d(planes, 2 * planes, 1, bias=False), nn.BatchNorm3d(2 * planes))


class _ResNeXt(video_resnet.VideoResNet):
    def _make_layer(self, block, conv_builder, planes, blocks, stride=1):
        return super()._make_layer(block, conv_builder, 2 * planes, blocks, stride)


def resnet3d(depths, groups):
    """torchvision's video residual network with Hara et al.'s stem, without the last layer."""
    kind, block = (video_resnet.VideoResNet, video_resnet.Bottleneck) if groups == 1 else (_ResNeXt, _Wide)
    module = kind(block, [video_resnet.Conv3DSimple] * 4, list(depths), _Stem)
    module.fc = nn.Identity()
    return shaken(module)


def hara_names(tensors):
    """torchvision's arrays under Hara et al.'s names."""
    found = {}
    for name, value in tensors.items():
        module, _, leaf = name.rpartition(".")
        if module.startswith("stem."):
            found[f"{'conv1' if module == 'stem.0' else 'bn1'}.{leaf}"] = value
            continue
        head, _, index = module.rpartition(".")
        block, _, conv = head.rpartition(".")
        if conv.startswith("conv"):
            module = f"{block}.{conv if index == '0' else conv.replace('conv', 'bn')}"
        found[f"{module}.{leaf}"] = value
    return found


def videos(shape, seed=0):
    """Random videos (B, T, H, W, 3) in [-1, 1], and the same for torch."""
    x = np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)
    return x, torch.from_numpy(x).permute(0, 4, 1, 2, 3).contiguous()
