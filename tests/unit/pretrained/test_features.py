"""Reading public weights: names and shapes of the published sources, and files that are not them."""

import functools
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from xdancer_jax.evals.networks import loading
from xdancer_jax.evals.networks.i3d import I3D
from xdancer_jax.evals.networks.perceptual import LPIPSNetwork
from xdancer_jax.evals.networks.resnet3d import resnet50, resnext101
from xdancer_jax.pretrained import features

NETWORKS = {"i3d": I3D(), "resnet50_3d": resnet50(), "resnext101_3d": resnext101()}
OURS = {"conv1/kernel": (1, 1, 1, 2, 3), "bn1/scale": (3,), "layer1_0/bn1/mean": (3,), "layer1_0/bn1/var": (3,)}
THEIRS = {"conv1.weight": (3, 2, 1, 1, 1), "bn1.weight": (3,), "layer1.0.bn1.running_mean": (3,),
          "layer1.0.bn1.running_var": (3,)}


@functools.cache
def published(kind):
    """Shapes by name, from piergiaj/pytorch-i3d and kenshohara/video-classification-3d-cnn-pytorch."""
    found = {}
    for line in Path(__file__).parents[2].joinpath("golden", f"features_{kind}.txt").read_text().splitlines():
        name, shape = line.split(" ", 1)
        found[name] = tuple(int(size) for size in shape.strip("()").split(",") if size.strip())
    return found


@pytest.mark.parametrize("kind", sorted(NETWORKS))
def test_names_and_shapes_are_the_published_ones(kind):
    tensors = {name: np.broadcast_to(np.float32(1), shape) for name, shape in published(kind).items()}
    ours = loading.shapes(NETWORKS[kind])
    taken = features.taken_over(tensors, kind, ours)
    assert {path: x.shape for path, x in taken.items()} == ours
    left = set(tensors) - {features.name_of(path) for path in ours}
    assert all(name.endswith("num_batches_tracked") or name.startswith("fc.") for name in left)


def test_names_and_shapes_of_the_lpips_backbones():
    models = pytest.importorskip("torchvision.models", reason="needs torchvision")
    names = {"alex": models.alexnet, "vgg": models.vgg16, "squeeze": models.squeezenet1_1}
    for kind, make in names.items():
        torch = pytest.importorskip("torch")
        with torch.device("meta"):
            tensors = {name: np.broadcast_to(np.float32(1), x.shape) for name, x in make().state_dict().items()}
        ours = loading.part(loading.shapes(LPIPSNetwork(kind)), "backbone")
        assert len(features.taken_over(tensors, kind, ours)) == len(ours)


def tensors(**changes):
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in THEIRS.items()} | changes


def test_layouts_are_turned(tmp_path):
    theirs = tensors()
    save_file({f"module.{name}": x for name, x in theirs.items()}, tmp_path / "w.safetensors")
    got = features.read(tmp_path / "w.safetensors", "resnet50_3d", OURS)
    np.testing.assert_array_equal(got["conv1/kernel"][0, 0, 0], theirs["conv1.weight"][:, :, 0, 0, 0].T)
    np.testing.assert_array_equal(got["layer1_0/bn1/var"], theirs["layer1.0.bn1.running_var"])
    np.savez(tmp_path / "w.npz", **theirs)
    again = features.read(tmp_path / "w.npz", "resnet50_3d", OURS)
    assert all((got[path] == again[path]).all() for path in OURS)


def test_everything_wrong_is_listed():
    changed = tensors(**{"bn1.weight": np.ones(4, np.float32), "other.weight": np.ones(1), "fc.bias": np.ones(1),
                         "layer1.0.bn1.running_mean": np.full(3, np.nan, np.float32)})
    del changed["layer1.0.bn1.running_var"]
    with pytest.raises(ValueError) as error:
        features.taken_over(changed, "resnet50_3d", OURS)
    assert str(error.value).splitlines() == [
        "not the weights of resnet-50-kinetics.pth:", "  extra other.weight",
        "  mis-shaped bn1.weight: (4,), (3,) expected", "  missing layer1.0.bn1.running_var",
        "  not finite layer1.0.bn1.running_mean",
    ]


@pytest.mark.parametrize("kind", sorted(features.FILES))
def test_a_missing_file_says_which_from_where_and_under_which_licence(kind):
    file = features.FILES[kind]
    for path in (None, "no/such.pth"):
        with pytest.raises(FileNotFoundError) as error:
            features.read(path, kind, OURS)
        assert all(said in str(error.value) for said in (file.name, file.source, file.licence))
        assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["w.safetensors", "w.npz"])
def test_a_file_that_is_cut_off_is_a_line(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK\x03\x04" + bytes(40))
    with pytest.raises(ValueError, match="not a whole (safetensors )?file") as error:
        features.read(tmp_path / name, "i3d", OURS)
    assert len(str(error.value).splitlines()) == 1


def test_torch_files_are_read_without_running_them(tmp_path):
    torch = pytest.importorskip("torch", reason="needs torch")
    theirs = {f"module.{name}": torch.from_numpy(x) for name, x in tensors().items()}
    torch.save({"epoch": 3, "arch": "resnet", "state_dict": theirs}, tmp_path / "w.pth")
    torch.save({"state_dict": theirs}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    got = features.read(tmp_path / "w.pth", "resnet50_3d", OURS)
    old = features.read(tmp_path / "old.pth", "resnet50_3d", OURS)
    assert all((got[path] == old[path]).all() for path in OURS)

    class Evil:
        def __reduce__(self):
            return (Path(tmp_path, "ran").touch, ())

    torch.save({"state_dict": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match=r"evil.pth: not a whole torch file of weights \(.*holds more than weights"):
        features.read(tmp_path / "evil.pth", "resnet50_3d", OURS)
    assert not (tmp_path / "ran").exists()
    torch.save([1], tmp_path / "list.pth")
    with pytest.raises(ValueError, match="holds no weights by name"):
        features.read(tmp_path / "list.pth", "resnet50_3d", OURS)


def test_the_public_heads():
    import os

    folder = os.environ.get("XDANCER_SAMPLE_DATA")
    if not folder:
        pytest.skip("XDANCER_SAMPLE_DATA is not set")
    for kind in ("alex", "vgg", "squeeze"):
        ours = loading.part(loading.shapes(LPIPSNetwork(kind)), "heads")
        heads = features.read(Path(folder, "weights", f"lpips_{kind}_linear_v0.1.npz"), f"{kind}_heads", ours)
        assert all((x >= 0).all() and x.max() > 0 for x in heads.values())
