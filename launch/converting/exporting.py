"""Parts of a run as public weight files: safetensors in the names of diffusers, transformers or the authors."""

from pathlib import Path
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np

from data_pipeline import files
from launch.converting.places import MOORE, MOORE_KINDS, PLACES
from launch.runs import sources
from launch.shell import outputs
from xdancer_jax import sharding
from xdancer_jax.pretrained import table
from xdancer_jax.pretrained.kinds import KINDS
from xdancer_jax.pretrained.table import Kind
from xdancer_jax.train import checkpoint
from xdancer_jax.train.checkpoint import Stored

_PLACES: Final = {  # part -> its file in a folder of Moore's layout
    "unet": "denoising_unet", "reference_net": "reference_unet", "pose": "pose_guider",
    "motion_modules": "motion_module", "autoencoder": "sd-vae-ft-mse/diffusion_pytorch_model",
    "image_encoder": "image_encoder/model",
}
DTYPES: Final = ("float32", "float16", "bfloat16")


def export(kind: str, workdir: str, out: str, dtype: str) -> list[str]:
    """Writes the part of the run in `workdir` that `kind` is as the file `out`, or, for "moore", all of them into the
    folder `out`: lines that say what is there.

    Raises:
      ValueError: no such run or part, a part that is none of the kind (an array of float16 that does not hold it), a
        name that does not end in .safetensors. OSError: `out` cannot be written.
    """
    files.check_here(out)
    sources.read_config(workdir)
    stored = checkpoint.stored(workdir)
    if kind != MOORE:
        outputs.check_out(out, ".safetensors")
        return [_part(stored, KINDS[kind], PLACES[kind].part, Path(out), dtype)]
    outputs.make_folder(out)
    paths = {part: Path(out) / f"{_PLACES[part]}.safetensors" for part in MOORE_KINDS}
    for part, path in paths.items():
        _shapes(stored, part)
        path.parent.mkdir(exist_ok=True)
    return [_part(stored, MOORE_KINDS[part], part, path, dtype) for part, path in paths.items()]


def _part(stored: Stored, kind: Kind, part: str, path: Path, dtype: str) -> str:
    prefix = f"params/{part}/"
    shapes = {ours: shape for ours, shape in _shapes(stored, part).items() if table.kept(kind, ours)}
    here = sharding.make_mesh({"data": 1, "fsdp": 1, "tensor": 1}, jax.local_devices()[:1])
    place = sharding.replicated(here)
    wanted = {
        prefix + ours: jax.ShapeDtypeStruct(shape, stored.leaves[prefix + ours].dtype, sharding=place)
        for ours, shape in shapes.items()
    }
    arrays = ((path.removeprefix(prefix), checked(path, np.asarray(array), dtype))
              for path, array in stored.each(wanted))
    names = table.write(kind, path, shapes, arrays, dtype)
    return f"{path}: {part}, {len(names)} tensors, {kind.about}"


def _shapes(stored: Stored, part: str) -> dict[str, tuple[int, ...]]:
    prefix = f"params/{part}/"
    found = {
        path.removeprefix(prefix): tuple(leaf.shape)
        for path, leaf in sorted(stored.leaves.items()) if path.startswith(prefix)
    }
    if not found:
        held = sorted({path.split("/")[1] for path in stored.leaves if path.startswith("params/")})
        raise ValueError(f"{stored.directory}: a run without {part}; it holds {', '.join(held)}")
    return found


def checked(path: str, array: np.ndarray, dtype: str) -> np.ndarray:
    """Raises ValueError where numbers are larger than those of `dtype`."""
    with np.errstate(over="ignore"):
        found = array.astype(jnp.dtype(dtype), copy=False)
    if not np.isfinite(found.astype(np.float32)).all() and np.isfinite(array.astype(np.float32)).all():
        raise ValueError(f"{path}: numbers too large for {dtype}; export as float32 or bfloat16")
    return found


__all__ = ["DTYPES", "export"]
