"""From arrays by path to a network that a metric can call."""

import hashlib
from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from xdancer_jax.evals.embedding import Embedder
from xdancer_jax.evals.networks.i3d import I3D
from xdancer_jax.evals.networks.perceptual import LPIPSNetwork
from xdancer_jax.evals.networks.resnet3d import ResNet3D

Inputs = Sequence[tuple[int, ...]]
I3D_INPUTS: Inputs = ((1, 16, 224, 224, 3),)
RESNET_INPUTS: Inputs = ((1, 16, 112, 112, 3),)
LPIPS_INPUTS: Inputs = ((1, 64, 64, 3), (1, 64, 64, 3))


def inputs_of(module: nn.Module) -> Inputs:
    """Shapes that one of our networks is initialised with."""
    return {I3D: I3D_INPUTS, ResNet3D: RESNET_INPUTS, LPIPSNetwork: LPIPS_INPUTS}[type(module)]


def shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    """Shape of every parameter by its "/"-joined path, without making any."""
    specs = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in inputs_of(module)]
    tree = jax.eval_shape(module.init, jax.random.key(0), *specs)["params"]
    return {path: leaf.shape for path, leaf in flatten_dict(tree, sep="/").items()}


def part(found: Mapping[str, tuple[int, ...]], name: str) -> dict[str, tuple[int, ...]]:
    """Of `shapes`, those below `name`, such as LPIPS's "backbone" and "heads", which lie in two files."""
    return {path.removeprefix(f"{name}/"): shape for path, shape in found.items() if path.startswith(f"{name}/")}


def random(module: nn.Module, seed: int) -> dict[str, np.ndarray]:
    """Random parameters of the network's layout: He's normal for kernels, mild ones for norms. For trials and tests."""
    rng = np.random.default_rng(seed)
    found = {}
    for path, shape in shapes(module).items():
        leaf = path.split("/")[-1]
        if leaf == "kernel":
            value = rng.standard_normal(shape, np.float32) * np.sqrt(2 / np.prod(shape[:-1]))
        elif leaf in ("scale", "var"):
            value = rng.uniform(0.75, 1.25, shape)
        elif leaf.startswith("lin"):
            value = rng.uniform(0, 2 / shape[0], shape)
        else:
            value = rng.uniform(-0.1, 0.1, shape)
        found[path] = value.astype(np.float32)
    return found


def embedder(module: nn.Module, arrays: Mapping[str, np.ndarray], weights: str) -> Embedder:
    """The compiled network. `weights` says which file; the arrays' digest is added to it."""
    params = jax.device_put({"params": unflatten_dict(dict(arrays), sep="/")})
    run = jax.jit(module.apply)
    return Embedder(f"{weights} {digest(arrays)}", lambda *inputs: np.asarray(run(params, *inputs)))


def lpips_arrays(backbone: Mapping[str, np.ndarray], heads: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The two files of an LPIPS network as one."""
    return {f"backbone/{path}": x for path, x in backbone.items()} | {f"heads/{path}": x for path, x in heads.items()}




def digest(arrays: Mapping[str, np.ndarray]) -> str:
    """Of names and contents: 16 hexadecimal digits."""
    found = hashlib.sha256()
    for path in sorted(arrays):
        found.update(f"{path}\0".encode() + np.ascontiguousarray(arrays[path]).tobytes())
    return found.hexdigest()[:16]


__all__ = ["digest", "embedder", "inputs_of", "lpips_arrays", "part", "random", "shapes"]
