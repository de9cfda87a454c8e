"""The solvers by one interface: DDIM and DPM-Solver++ (2M)."""

import dataclasses
from typing import Any, Final, Protocol

import jax.numpy as jnp

from xdancer_jax.diffusion import dpm_solver, samplers
from xdancer_jax.diffusion.schedules import NoiseSchedule
from xdancer_jax.typing import Array, PyTree

NAMES: Final = ("ddim", "dpmsolver++")


class Solver(Protocol):
    """From noise to latents in the steps of a plan, a tree of arrays with `timesteps` among them."""

    def plan(self, schedule: NoiseSchedule, num_steps: int, spacing: str) -> Any: ...

    def start(self, noisy: Array) -> PyTree:
        """What is remembered before the first step."""

    def step(
        self, kind: str, output: Array, noisy: Array, memory: PyTree, plan: Any, number: Array, rng: Array
    ) -> tuple[Array, PyTree]:
        """(latents after step `number`, what is remembered), of the network's answer `output` of `kind`."""


@dataclasses.dataclass(frozen=True)
class DDIM:
    """samplers.ddim_step; it remembers nothing."""

    eta: float = 0.0

    def plan(self, schedule: NoiseSchedule, num_steps: int, spacing: str) -> samplers.Plan:
        return samplers.plan(schedule, num_steps, spacing)

    def start(self, noisy: Array) -> PyTree:
        return ()

    def step(self, kind, output, noisy, memory, plan, number, rng):
        levels = plan.alphas_bar[number], plan.next_alphas_bar[number]
        return samplers.ddim_step(kind, output, noisy, *levels, eta=self.eta, rng=rng), memory


@dataclasses.dataclass(frozen=True)
class DPMSolver:
    """dpm_solver.dpm_step; it remembers the clean latents of the step before."""

    def plan(self, schedule: NoiseSchedule, num_steps: int, spacing: str) -> dpm_solver.Plan:
        return dpm_solver.plan(schedule, num_steps, spacing)

    def start(self, noisy: Array) -> PyTree:
        return jnp.zeros_like(noisy)

    def step(self, kind, output, noisy, memory, plan, number, rng):
        return dpm_solver.dpm_step(kind, output, noisy, memory, plan, number)


def make(name: str, eta: float) -> Solver:
    """Raises ValueError for an unknown name, and for fresh noise (eta > 0) where the solver draws none."""
    if name == "ddim":
        return DDIM(eta)
    if name != "dpmsolver++":
        raise ValueError(f"sampler.solver={name!r}: choose one of {NAMES}")
    if eta:
        raise ValueError(f"sampler.eta={eta:g}: solver 'dpmsolver++' draws no fresh noise; set it to 0, or use 'ddim'")
    return DPMSolver()


__all__ = ["DDIM", "DPMSolver", "NAMES", "Solver", "make"]
