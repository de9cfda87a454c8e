"""DPM-Solver++ (2M), deterministic (Lu et al. 2022, "DPM-Solver++", algorithm 2): the plan and one step.

As diffusers' DPMSolverMultistepScheduler has it with algorithm_type="dpmsolver++", solver_order=2, "midpoint" and a
last noise level of zero. With lambda = log(alpha / sigma), h = lambda' - lambda and x_0 the clean latents that the
network's answer stands for, a step is x' = sigma' / sigma x + alpha' (1 - exp(-h)) (x_0 + h / (2 h_before) (x_0 -
x_0 of the step before)). The first step and the last have no second term.
"""

from typing import Final

import flax.struct
import jax.numpy as jnp
import numpy as np

from xdancer_jax.diffusion import prediction, samplers
from xdancer_jax.diffusion.schedules import NoiseSchedule
from xdancer_jax.typing import Array, Float, typechecked

# alpha_bar that stands for pure noise, whose lambda would be infinite: float16's smallest number, as in diffusers.
_FLOOR: Final = 2.0**-24


def timesteps(num_train_steps: int, num_steps: int, spacing: str) -> np.ndarray:
    """(num_steps,) int32, from noise to picture. "trailing" as for DDIM; "leading" in diffusers' form for this solver:
    num_steps + 1 even strides without the one that ends at the picture, and an offset of 1."""
    if spacing != "leading":
        return samplers.timesteps(num_train_steps, num_steps, spacing)
    if not 0 < num_steps < num_train_steps - 1:
        raise ValueError(f"sampler.num_steps={num_steps}: must lie in [1, {num_train_steps - 2}]")
    stride = num_train_steps // (num_steps + 1)
    return (np.arange(1, num_steps + 1) * stride + 1)[::-1].astype(np.int32)


@flax.struct.dataclass
class Plan:
    """(num_steps,) arrays. A step's next latents are `kept` x + `clean` (x_0 + `trend` (x_0 - x_0 before))."""

    timesteps: np.ndarray
    alphas_bar: np.ndarray
    kept: np.ndarray
    clean: np.ndarray
    trend: np.ndarray

    def __len__(self) -> int:
        return len(self.timesteps)


def plan(schedule: NoiseSchedule, num_steps: int, spacing: str) -> Plan:
    """The plan of `num_steps` steps under `schedule`; its coefficients are computed in float64."""
    steps = timesteps(schedule.num_steps, num_steps, spacing)
    level = schedule.alphas_bar[steps].astype(np.float64)
    level = np.where(level == 0, _FLOOR, level)
    signal, sigma = np.sqrt(level), np.sqrt(1 - level)
    stride = np.append(np.diff(np.log(signal / sigma)), np.inf)  # h
    trend = np.zeros(num_steps)
    trend[1:-1] = stride[1:-1] / (2 * stride[:-2])
    found = (
        level, np.append(sigma[1:], 0) / sigma, np.append(signal[1:], 1) * -np.expm1(-stride), trend
    )
    return Plan(steps, *(values.astype(np.float32) for values in found))


@typechecked
def dpm_step(
    kind: str, output: Float[Array, "B *S"], noisy: Float[Array, "B *S"], before: Float[Array, "B *S"], plan: Plan,
    number: Array | int,
) -> tuple[Float[Array, "B *S"], Float[Array, "B *S"]]:
    """(x at the next, less noisy, step, x_0) of step `number` of `plan`; `before` is the x_0 of the step before, of any
    finite value at the first. Float32."""
    level = jnp.full((noisy.shape[0],), jnp.asarray(plan.alphas_bar)[number])
    kept, weight, trend = (jnp.asarray(values)[number] for values in (plan.kept, plan.clean, plan.trend))
    clean, _ = prediction.to_clean_and_noise(kind, output, noisy, level)
    return kept * noisy.astype(jnp.float32) + weight * (clean + trend * (clean - before)), clean


__all__ = ["Plan", "dpm_step", "plan", "timesteps"]
