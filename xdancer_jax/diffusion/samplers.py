"""DDIM (Song et al. 2021): the plan of time steps and one step; float32."""

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from xdancer_jax.diffusion import prediction
from xdancer_jax.diffusion.schedules import NoiseSchedule
from xdancer_jax.typing import Array, Float, typechecked

SPACINGS = ("trailing", "leading")


def timesteps(num_train_steps: int, num_steps: int, spacing: str) -> np.ndarray:
    """(num_steps,) int32, from noise to picture.

    "trailing" starts at the very last training step, which a zero terminal SNR needs (Lin et al. 2024, table 2);
    "leading" is SD1.5's, with its offset of 1.
    """
    if not 0 < num_steps < num_train_steps:
        raise ValueError(f"sampler.num_steps={num_steps}: must lie in [1, {num_train_steps - 1}]")
    if spacing == "trailing":
        # Not np.arange with a fractional stride: for 61 and other counts it gives one step too many.
        return (np.round(num_train_steps - np.arange(num_steps) * num_train_steps / num_steps) - 1).astype(np.int32)
    if spacing == "leading":
        return (np.arange(num_steps) * (num_train_steps // num_steps) + 1)[::-1].astype(np.int32)
    raise ValueError(f"sampler.spacing={spacing!r}: choose one of {SPACINGS}")


@flax.struct.dataclass
class Plan:
    """Everything that DDIM needs of the schedule: time steps, alpha_bar there and at the step after (1 at the end)."""

    timesteps: np.ndarray
    alphas_bar: np.ndarray
    next_alphas_bar: np.ndarray

    def __len__(self) -> int:
        return len(self.timesteps)


def plan(schedule: NoiseSchedule, num_steps: int, spacing: str) -> Plan:
    """The plan of `num_steps` DDIM steps under `schedule`."""
    steps = timesteps(schedule.num_steps, num_steps, spacing)
    alphas = schedule.alphas_bar[steps]
    return Plan(steps, alphas, np.append(alphas[1:], np.float32(1)))


@typechecked
def ddim_step(
    kind: str,
    output: Float[Array, "B *S"],
    noisy: Float[Array, "B *S"],
    alpha_bar: Float[Array, ""],
    next_alpha_bar: Float[Array, ""],
    *,
    eta: float = 0.0,
    rng: Array | None = None,
) -> Float[Array, "B *S"]:
    """x at the next (less noisy) step, DDIM eq. 12. `rng` is needed where eta > 0; eta 1 is DDPM-like."""
    level = jnp.full((noisy.shape[0],), alpha_bar)
    clean, noise = prediction.to_clean_and_noise(kind, output, noisy, level)
    if not eta:
        return jnp.sqrt(next_alpha_bar) * clean + jnp.sqrt(1 - next_alpha_bar) * noise
    if rng is None:
        raise ValueError("eta > 0 draws fresh noise: pass rng")
    # sigma^2 = eta^2 (1 - a') / (1 - a) (1 - a / a'), the posterior variance at eta 1.
    ratio = (1 - next_alpha_bar) / (1 - alpha_bar) * (1 - alpha_bar / next_alpha_bar)
    sigma = eta * jnp.sqrt(ratio)
    direction = jnp.sqrt(jnp.maximum(1 - next_alpha_bar - sigma**2, 0.0))
    return jnp.sqrt(next_alpha_bar) * clean + direction * noise + sigma * jax.random.normal(rng, noisy.shape)
