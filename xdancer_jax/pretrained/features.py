"""Public weights of the networks that metrics look through, from .safetensors, .npz or torch files, to our parameters.

Ours are named after theirs (xdancer_jax/evals/networks), so a name map is a rule: "/" for ".", "_0" for ".0", and the
last part by LEAVES. Nothing of these files may be shipped: `FILES` says which file, from where, and under which
licence. Files are opened as all public weights are (tensors.py); .npz as well.
"""

import dataclasses
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from xdancer_jax.pretrained import tensors

LEAVES = {"kernel": "weight", "bias": "bias", "scale": "weight", "mean": "running_mean", "var": "running_var"}


@dataclasses.dataclass(frozen=True)
class File:
    """A public file.

    Attributes:
      name: as published.
      source: where it is to be had.
      licence: what is known of it.
      left_out: regex of the arrays that have no place here.
      prefix: of its names, taken off.
    """

    name: str
    source: str
    licence: str
    left_out: str = r".*num_batches_tracked"
    prefix: str = ""


_TORCHVISION = "BSD-3 code; weights trained on ImageNet, whose terms are for research"
_HARA = "github.com/kenshohara/video-classification-3d-cnn-pytorch (Google Drive link in its README)"
_CLASSIFIER = r"classifier\..*"
FILES: Mapping[str, File] = {
    "i3d": File("i3d_pretrained_400.pt", "github.com/songweige/TATS/raw/main/tats/fvd/i3d_pretrained_400.pt",
                "Apache-2.0 (DeepMind's kinetics-i3d, ported)"),
    "resnet50_3d": File("resnet-50-kinetics.pth", _HARA, "MIT", r"(fc\..*)|(.*num_batches_tracked)", "module."),
    "resnext101_3d": File("resnext-101-kinetics.pth", _HARA, "MIT", r"(fc\..*)|(.*num_batches_tracked)", "module."),
    "alex": File("alexnet-owt-7be5be79.pth", "download.pytorch.org/models", _TORCHVISION, _CLASSIFIER),
    "vgg": File("vgg16-397923af.pth", "download.pytorch.org/models", _TORCHVISION, _CLASSIFIER),
    "squeeze": File("squeezenet1_1-b8a52dc0.pth", "download.pytorch.org/models", _TORCHVISION, _CLASSIFIER),
    **{
        f"{name}_heads": File(f"{name}.pth", "github.com/richzhang/PerceptualSimilarity, lpips/weights/v0.1", "BSD-2")
        for name in ("alex", "vgg", "squeeze")
    },
}


def name_of(path: str, heads: bool = False) -> str:
    """Their name of our array at `path`, "/"-joined."""
    if heads:
        return f"{path}.model.1.weight"
    *modules, leaf = path.split("/")
    return ".".join([re.sub(r"_(\d+)$", r".\1", module) for module in modules] + [LEAVES[leaf]])


def turned(array: np.ndarray, leaf: str) -> np.ndarray:
    """Their array in our layout, float32: kernels (out, in, ...) as (..., in, out), heads (1, C, 1, 1) as (C,)."""
    array = np.asarray(array, np.float32)
    if leaf == "kernel":
        return np.ascontiguousarray(np.moveaxis(array, (0, 1), (-1, -2)))
    return array.reshape(-1) if leaf.startswith("lin") else array


def read(path: str | Path | None, kind: str, ours: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """The file at `path`, of a `kind` in FILES, as arrays by path of ours; `ours` has their shapes.

    Raises:
      FileNotFoundError: no path or no such file: says which file is meant, where it is to be had, and its licence.
      ImportError: a torch file where torch is not installed.
      ValueError: cannot be read, or arrays are missing, extra, of another shape or not finite: lists every one.
    """
    file = FILES[kind]
    if path is None or not Path(path).is_file():
        shown = "no file given" if path is None else f"{path}: no such file"
        raise FileNotFoundError(f"{shown}; {kind} wants {file.name} from {file.source} ({file.licence})")
    found = {name.removeprefix(file.prefix): array for name, array in tensors_of(Path(path)).items()}
    try:
        return taken_over(found, kind, ours)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def taken_over(
    theirs: Mapping[str, np.ndarray], kind: str, ours: Mapping[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    """Their arrays by their names, as arrays by path of ours. Raises ValueError as `read` does."""
    file, heads = FILES[kind], kind.endswith("_heads")
    names = {path: name_of(path, heads) for path in ours}
    problems = [f"missing {name}" for name in names.values() if name not in theirs]
    known = set(names.values())
    problems += [f"extra {name}" for name in theirs if name not in known and not re.fullmatch(file.left_out, name)]
    found = {}
    for path, name in names.items():
        if name not in theirs:
            continue
        array = turned(theirs[name], path.split("/")[-1])
        if array.shape != tuple(ours[path]):
            problems.append(f"mis-shaped {name}: {array.shape}, {tuple(ours[path])} expected")
        elif not np.isfinite(array).all():
            problems.append(f"not finite {name}")
        found[path] = array
    if problems:
        raise ValueError("\n  ".join([f"not the weights of {file.name}:", *sorted(problems)]))
    return found


def tensors_of(path: Path) -> dict[str, np.ndarray]:
    """Every array of a .safetensors, .npz or torch file by its name. Raises ValueError or ImportError, see `read`."""
    if path.suffix != ".npz":
        return {name: tensor.get() for name, tensor in tensors.opened(path).items()}
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (zipfile.BadZipFile, OSError, EOFError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: not a whole file of weights ({str(error).splitlines()[0]})") from error


__all__ = ["FILES", "File", "name_of", "read", "taken_over", "tensors_of"]
