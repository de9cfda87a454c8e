"""Noise schedules of the discrete-time diffusion (DDPM) of Stable Diffusion."""

import dataclasses
import functools

import jax.numpy as jnp
import numpy as np

from xdancer_jax.typing import Array, Float, Int, typechecked

KINDS = ("linear", "scaled_linear", "squared_cosine")


def betas(kind: str, num_steps: int, beta_start: float, beta_end: float) -> np.ndarray:
    """Variances (num_steps,) float64 of the forward steps. "scaled_linear" is linear in sqrt(beta) (SD1.5);
    "squared_cosine" is Nichol and Dhariwal's (2021, eq. 17), which uses neither end point and caps beta at 0.999.
    """
    if kind == "linear":
        return np.linspace(beta_start, beta_end, num_steps)
    if kind == "scaled_linear":
        return np.linspace(beta_start**0.5, beta_end**0.5, num_steps) ** 2
    if kind == "squared_cosine":
        level = np.cos((np.arange(num_steps + 1) / num_steps + 0.008) / 1.008 * np.pi / 2) ** 2
        return np.minimum(1 - level[1:] / level[:-1], 0.999)
    raise ValueError(f"schedule.kind={kind!r}: choose one of {KINDS}")


def rescale_zero_terminal_snr(alphas_bar: np.ndarray) -> np.ndarray:
    """Shifts and scales sqrt(alpha_bar) so that the first stays and the last is 0 (Lin et al. 2024, algorithm 1)."""
    root = np.sqrt(alphas_bar)
    return ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2


@dataclasses.dataclass(frozen=True)
class NoiseSchedule:
    """alpha_bar_t for t in [0, num_steps): x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) noise.

    Training and sampling must share one schedule, so one object serves both.
    """

    kind: str = "scaled_linear"
    num_steps: int = 1000
    beta_start: float = 0.00085
    beta_end: float = 0.012
    zero_terminal_snr: bool = False

    @functools.cached_property
    def alphas_bar(self) -> np.ndarray:
        """(num_steps,) float32, decreasing; the last is exactly 0 under `zero_terminal_snr`."""
        values = np.cumprod(1 - betas(self.kind, self.num_steps, self.beta_start, self.beta_end))
        if self.zero_terminal_snr:
            values = rescale_zero_terminal_snr(values)
        return values.astype(np.float32)

    @typechecked
    def at(self, timesteps: Int[Array, "*B"]) -> Float[Array, "*B"]:
        """alpha_bar of integer time steps."""
        return jnp.asarray(self.alphas_bar)[timesteps]
