"""Our I3D, 3-D residual networks and LPIPS beside torch's, with the same random weights read by our name maps.

Key and shape lists of the published sources are in tests/golden/features_*.txt (tests/unit/pretrained).
"""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest

from xdancer_jax.evals.networks import loading
from xdancer_jax.evals.networks.i3d import I3D
from xdancer_jax.evals.networks.perceptual import LPIPSNetwork
from xdancer_jax.evals.networks.resnet3d import ResNet3D
from xdancer_jax.pretrained import features

torch = pytest.importorskip("torch", reason="parity needs torch and torchvision")
pytest.importorskip("torchvision", reason="parity needs torch and torchvision")

from benchmarks.measures import torch_networks as theirs  # noqa: E402


def _error(got, want):
    return np.abs(np.asarray(got) - want).max() / np.abs(want).max()


def _run(network, tensors, kind, *inputs):
    taken = features.taken_over(tensors, kind, loading.shapes(network))
    return loading.embedder(network, taken, "random").run(*inputs)


@pytest.mark.full_size
def test_i3d_beside_cd_fvd():
    i3d = pytest.importorskip("cdfvd.third_party.i3d.pytorch_i3d", reason="needs the package cd-fvd")
    module = theirs.shaken(i3d.InceptionI3d(400, in_channels=3))
    ours, x = theirs.videos((1, 9, 224, 224, 3))
    with torch.no_grad():
        want = module(x).numpy()
    tensors = theirs.arrays(module)
    bias = tensors["logits.conv3d.bias"]  # no part of what is compared
    got = _run(I3D(epsilon=1e-5), tensors, "i3d", ours)
    assert _error(got - bias, want - bias) < 1e-4


@pytest.mark.parametrize("groups", [1, 32])
def test_residual_networks_beside_torchvision(groups):
    depths = (1, 2, 1, 1)
    module = theirs.resnet3d(depths, groups)
    ours, x = theirs.videos((2, 5, 24, 20, 3))
    with torch.no_grad():
        want = module(x).numpy()
    kind = "resnet50_3d" if groups == 1 else "resnext101_3d"
    got = _run(ResNet3D(depths, groups), theirs.hara_names(theirs.arrays(module)), kind, ours)
    assert _error(got, want) < 1e-4


@pytest.mark.parametrize("backbone", ["alex", "vgg", "squeeze"])
def test_lpips_beside_the_package_with_the_public_heads(backbone):
    """The heads are the package's own files, where a folder with the same as .npz is not given."""
    lpips = pytest.importorskip("lpips", reason="needs the package lpips")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision's, of its old way to ask for weights
        module = lpips.LPIPS(net=backbone, pnet_rand=True, verbose=False)
    theirs.shaken(module.net)
    torchvision = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}[backbone]
    backbone_arrays = _backbone(module, torchvision)
    network = LPIPSNetwork(backbone)
    found = loading.shapes(network)
    heads = features.taken_over(_heads(module, backbone), f"{backbone}_heads", loading.part(found, "heads"))
    arrays = loading.lpips_arrays(
        features.taken_over(backbone_arrays, backbone, loading.part(found, "backbone")), heads
    )
    rng = np.random.default_rng(0)
    one, other = rng.uniform(-1, 1, (2, 2, 70, 67, 3)).astype(np.float32)
    with torch.no_grad():
        want = module(*(torch.from_numpy(x).permute(0, 3, 1, 2) for x in (one, other))).numpy().ravel()
    got = loading.embedder(network, arrays, "random").run(one, other)
    assert _error(got, want) < 1e-5


def _backbone(module, torchvision):
    """Its slices' arrays under torchvision's names: the package numbers layers as torchvision does."""
    from torchvision import models

    names = getattr(models, torchvision)().state_dict()
    found = {}
    for name, value in module.net.state_dict().items():
        flat = "features." + name.split(".", 1)[1]
        assert flat in names
        found[flat] = value.numpy()
    return found


def _heads(module, backbone):
    folder = os.environ.get("XDANCER_SAMPLE_DATA")
    if folder and (path := Path(folder, "weights", f"lpips_{backbone}_linear_v0.1.npz")).is_file():
        return features.tensors_of(path)
    return {name: value.numpy() for name, value in module.state_dict().items() if name.startswith("lin") and
            not name.startswith("lins")}
