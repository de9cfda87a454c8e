import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.diffusion import dpm_solver, prediction, solvers
from xdancer_jax.diffusion.schedules import NoiseSchedule

PLAIN, ZERO_SNR = NoiseSchedule(), NoiseSchedule(zero_terminal_snr=True)


def sampled(solver, schedule, num_steps, denoiser, start, kind="sample", steps=None):
    """From noise `start` by denoiser(noisy, alpha_bar), or the first `steps` of the way."""
    plan = jax.tree.map(jnp.asarray, solver.plan(schedule, num_steps, "trailing"))
    noisy, memory = start, solver.start(start)

    def step(carry, i):
        output = denoiser(carry[0], plan.alphas_bar[i])
        return solver.step(kind, output, *carry, plan, i, jax.random.key(0)), None

    return jax.lax.scan(step, (noisy, memory), jnp.arange(steps or len(plan)))[0][0]


def gaussian(scale):
    """The best x_0 for data ~ N(0, scale^2)."""
    return lambda noisy, alpha: jnp.sqrt(alpha) * scale**2 / (alpha * scale**2 + 1 - alpha) * noisy


@pytest.mark.parametrize("kind", ["v_prediction", "sample"])
def test_a_perfect_denoiser_finds_the_picture_from_pure_noise(kind):
    picture = jax.random.normal(jax.random.key(0), (2, 5))

    def perfect(noisy, alpha):
        noise = (noisy - jnp.sqrt(alpha) * picture) / jnp.sqrt(1 - alpha)
        return prediction.target(kind, picture, noise, jnp.full((2,), alpha))

    start = jax.random.normal(jax.random.key(1), (2, 5))
    found = sampled(solvers.DPMSolver(), ZERO_SNR, 5, perfect, start, kind)
    np.testing.assert_allclose(found, picture, atol=1e-5)


def test_it_is_of_second_order_where_ddim_is_of_first():
    """For data ~ N(0, s^2) the ODE keeps x in units of its standard deviation at each time. Half way, at time step 499,
    twice the steps leave a quarter of the error, and a half of DDIM's."""
    def error(solver, num_steps):
        found = sampled(solver, PLAIN, num_steps, gaussian(0.5), jnp.ones((1, 1)), steps=num_steps // 2)
        std = np.sqrt(1 - 0.75 * PLAIN.alphas_bar.astype(float))
        return abs(float(found[0, 0]) * std[999] / std[499] - 1)

    ddim, dpm = ([error(solver, n) for n in (20, 40)] for solver in (solvers.DDIM(), solvers.DPMSolver()))
    assert 0.4 < ddim[1] / ddim[0] < 0.6 and 0.15 < dpm[1] / dpm[0] < 0.35 and dpm[0] < ddim[1] / 2, (ddim, dpm)


def test_first_and_last_steps_are_of_first_order():
    plan = dpm_solver.plan(PLAIN, 6, "trailing")
    assert plan.trend[0] == plan.trend[-1] == 0 and (plan.trend[1:-1] > 0).all()
    assert (plan.kept[-1], plan.clean[-1]) == (0, 1)  # ends at the picture
    assert len(dpm_solver.plan(PLAIN, 1, "trailing")) == len(dpm_solver.plan(PLAIN, 2, "trailing")) - 1 == 1


def test_leading_time_steps():
    np.testing.assert_array_equal(dpm_solver.timesteps(1000, 4, "leading"), [801, 601, 401, 201])
    with pytest.raises(ValueError, match="num_steps=999"):
        dpm_solver.timesteps(1000, 999, "leading")


def test_solvers_by_name():
    assert solvers.make("ddim", 0.5) == solvers.DDIM(0.5) and solvers.make("dpmsolver++", 0.0) == solvers.DPMSolver()
    with pytest.raises(ValueError, match="solver='euler': choose one of"):
        solvers.make("euler", 0.0)
    with pytest.raises(ValueError, match="eta=0.5: solver 'dpmsolver"):
        solvers.make("dpmsolver++", 0.5)
