"""Weights of a torch module under our names: the rule that the public checkpoints' names follow."""

import re

import flax.linen as nn
import jax
import numpy as np
import pytest
from flax.traverse_util import flatten_dict, unflatten_dict


def _name(key: str) -> str:
    key = re.sub(r"(motion_modules\.\d+)\.", r"\1.temporal_transformer.", key)
    if ".temporal_transformer." in key:
        for theirs, ours in (("attn1", "attention_blocks.0"), ("attn2", "attention_blocks.1"), ("norm1", "norms.0"),
                             ("norm2", "norms.1"), ("norm3", "ff_norm")):
            key = key.replace(f".{theirs}.", f".{ours}.")
    return re.sub(r"\.(\d+)(?=\.|$)", r"_\1", key).replace(".", "/")


def _entry(key: str, value: np.ndarray) -> tuple[str, np.ndarray]:
    path = _name(key)
    if not path.endswith("/weight"):
        return path, value
    stem = path.removesuffix("weight")
    if stem.endswith("position_embedding/"):
        return stem + "embedding", value
    if value.ndim == 4:
        return stem + "kernel", value.transpose(2, 3, 1, 0)
    return (stem + "kernel", value.T) if value.ndim == 2 else (stem + "scale", value)


def _from_torch(module, model, *inputs, **named):
    """Params for `model` with the weights of `module`, made random first so that no zero hides a mistake.

    Fails unless both have the same names and shapes.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    module.eval()
    skip = ("position_ids", ".pe")  # constants
    params = dict(_entry(k, v.numpy()) for k, v in module.state_dict().items() if not k.endswith(skip))
    shapes = nn.unbox(jax.eval_shape(lambda: model.init(jax.random.key(0), *inputs, **named)))["params"]
    want = {path: x.shape for path, x in flatten_dict(shapes, sep="/").items()}
    assert {path: x.shape for path, x in params.items()} == want
    return {"params": unflatten_dict(params, sep="/")}


@pytest.fixture(scope="session")
def from_torch():
    return _from_torch
