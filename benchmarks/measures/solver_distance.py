"""How far the solvers end from the limit of many steps, with a denoiser that is known exactly."""

from collections.abc import Sequence
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np

from xdancer_jax.diffusion import solvers
from xdancer_jax.diffusion.schedules import NoiseSchedule
from xdancer_jax.diffusion.solvers import Solver
from xdancer_jax.typing import Array

RUNS: Final = (("ddim", 10), ("ddim", 20), ("ddim", 50), ("dpmsolver++", 10), ("dpmsolver++", 20), ("dpmsolver++", 50))
REFERENCE_STEPS: Final = 999  # of DDIM: all but one of the training steps
_MODES, _WIDTH, _SPREAD = 8, 16, 0.3  # of the mixture of Gaussians that the data is


def rows(
    samples: int = 256, reference_steps: int = REFERENCE_STEPS, runs: Sequence[tuple[str, int]] = RUNS
) -> list[dict[str, Any]]:
    """Root mean square distance of end points from the reference's, over theirs from 0, by schedule, solver, steps."""
    found = []
    start = jax.random.normal(jax.random.key(1), (samples, _WIDTH))
    for name, schedule in (("plain", NoiseSchedule()), ("zero_snr", NoiseSchedule(zero_terminal_snr=True))):
        limit = _sampled(solvers.DDIM(), schedule, reference_steps, start)
        size = float(jnp.sqrt(jnp.square(limit).mean()))
        for solver, steps in runs:
            end = _sampled(solvers.make(solver, 0.0), schedule, steps, start)
            distance = float(jnp.sqrt(jnp.square(end - limit).mean())) / size
            found.append({"schedule": name, "solver": solver, "steps": steps, "distance": distance})
    return found


def _sampled(solver: Solver, schedule: NoiseSchedule, num_steps: int, start: Array) -> Array:
    plan = jax.tree.map(jnp.asarray, solver.plan(schedule, num_steps, "trailing"))
    means = jnp.asarray(np.random.default_rng(0).standard_normal((_MODES, _WIDTH)), jnp.float32)

    def step(carry: tuple[Array, Any], number: Array) -> tuple[tuple[Array, Any], None]:
        clean = posterior_mean(carry[0], plan.alphas_bar[number], means)
        return solver.step("sample", clean, *carry, plan, number, jax.random.key(0)), None

    run = jax.jit(lambda x: jax.lax.scan(step, (x, solver.start(x)), jnp.arange(num_steps))[0][0])
    return run(start)


def posterior_mean(noisy: Array, alpha_bar: Array, means: Array) -> Array:
    """E[x_0 | x_t] (B, D) where x_0 is drawn from equal Gaussians of deviation 0.3 about `means` (M, D)."""
    variance = alpha_bar * _SPREAD**2 + 1 - alpha_bar
    away = noisy[:, None] - jnp.sqrt(alpha_bar) * means
    share = jax.nn.softmax(-0.5 * jnp.square(away).sum(-1) / variance, axis=-1)
    of_mode = means + jnp.sqrt(alpha_bar) * _SPREAD**2 / variance * away
    return jnp.einsum("bm,bmd->bd", share, of_mode)


__all__ = ["REFERENCE_STEPS", "RUNS", "posterior_mean", "rows"]
