"""The plan of a run on a slice: a config becomes figures."""

from collections.abc import Callable
from typing import Any, Final

from ml_collections import ConfigDict

from launch.compiling import kept, report, slices
from launch.compiling.report import table
from launch.compiling.step import lowering, traced
from launch.runs import build, changes, resolve, training
from xdancer_jax import sharding

WAY_OUT: Final = (
    "try in turn --config.model.remat=full (video: --config.model.unet.remat), --config.accumulate=N, "
    "--config.sharding=fsdp with --config.mesh.fsdp=-1 --config.mesh.data=1, cached latents (launch.precompute), "
    "--config.sharding=fsdp_frames with --config.mesh.tensor=N (video: frames of a clip), or a larger slice"
)


def plan(
    config: ConfigDict, topology: str, *, count: bool = False, cache: str | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Figures of the step of `config` (not yet resolved) on the devices of `topology`, see report.

    count: the compiler is not asked, as it is not where the state alone does not fit. cache: folder for what it says.
    tell: is told what is under way.

    Raises ImportError, ValueError: see slices.devices_of, resolve.resolve, step.lowering, kept.figures; a batch that
    does not divide.
    """
    devices = slices.devices_of(topology)
    config = resolve.resolve(without_sources(config))
    lowered = lowering(config, devices)
    training.check_batch(config, sharding.Place(lowered.mesh, build.rules(config)).ways)
    found = {"topology": topology, **kept.versions(), "config": changes.flat(config), **report.of_state(lowered)}
    if not count and report.fits(found) is not False:
        tell("tracing the step")
        program = traced(lowered)
        text = program.as_text()
        tell(f"compiling {text.count(chr(10))} lines of StableHLO for {topology}; it cannot say how far it is")
        found |= kept.figures(cache, text, topology, lambda: report.of_program(program, lowered.mesh))
    return found | {"fits": report.fits(found)}


def without_sources(config: ConfigDict) -> ConfigDict:
    """The config with random weights: where they come from shapes no step."""
    config = config.copy_and_resolve_references()
    with config.unlocked():
        for part in config.parts.values():
            part.source = "random"
    return config


__all__ = ["WAY_OUT", "plan", "table", "without_sources"]
