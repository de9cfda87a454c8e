"""The plan of a run on a slice: a config becomes figures."""

from typing import Any, Final

import jax
from ml_collections import ConfigDict

from launch.compiling import report, slices
from launch.compiling.report import table
from launch.compiling.step import compiled, lowering
from launch.runs import build, changes, resolve, training
from xdancer_jax import sharding

WAY_OUT: Final = (
    "try in turn --config.model.remat=full (video: --config.model.unet.remat), --config.accumulate=N, "
    "--config.sharding=fsdp with --config.mesh.fsdp=-1 --config.mesh.data=1, cached latents (launch.precompute), or a "
    "larger slice"
)


def plan(config: ConfigDict, topology: str, *, count: bool = False) -> dict[str, Any]:
    """Figures of the step of `config` (not yet resolved) on the devices of `topology`, see report.

    count: the compiler is not asked, as it is not where the state alone does not fit.

    Raises ImportError, ValueError: see slices.devices_of, resolve.resolve, step.lowering; a batch that does not divide.
    """
    devices = slices.devices_of(topology)
    config = resolve.resolve(without_sources(config))
    lowered = lowering(config, devices)
    training.check_batch(config, sharding.Place(lowered.mesh, build.rules(config)).ways)
    found = {"topology": topology, "jax": jax.__version__, "config": changes.flat(config), **report.of_state(lowered)}
    if not count and report.fits(found) is not False:
        found |= report.of_step(compiled(lowered))
    return found | {"fits": report.fits(found)}


def without_sources(config: ConfigDict) -> ConfigDict:
    """The config with random weights: where they come from shapes no step."""
    config = config.copy_and_resolve_references()
    with config.unlocked():
        for part in config.parts.values():
            part.source = "random"
    return config


__all__ = ["WAY_OUT", "plan", "table", "without_sources"]
