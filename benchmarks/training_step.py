"""The trainer's own step of the motion stage at any size, compiled for devices that may not be here."""

from collections.abc import Sequence

import jax
from ml_collections import ConfigDict

from configs import motion
from launch.compiling import step
from launch.compiling.step import Step
from launch.runs import resolve


def configured(variant: str, **changes) -> ConfigDict:
    """The resolved config in bfloat16, over the paper's tokenizer with random weights. `remat` is the model's; a table
    other than "data" splits weights over all devices."""
    config = motion.get_config(variant)
    config.dtype, config.parts.tokenizer.source = "bfloat16", "random"
    config.model.remat = changes.pop("remat", config.model.remat)
    config.update(changes)
    if config.sharding != "data":
        config.mesh.update(data=1, fsdp=-1)
    return resolve.resolve(config)


def compiled(config: ConfigDict, devices: Sequence[jax.Device]) -> Step:
    """The step for `devices`."""
    return step.compiled(step.lowering(config, devices))


__all__ = ["Step", "compiled", "configured"]
