import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.diffusion import prediction, samplers
from xdancer_jax.diffusion.schedules import NoiseSchedule

SCHEDULE = NoiseSchedule(zero_terminal_snr=True)


def test_spacings():
    np.testing.assert_array_equal(samplers.timesteps(1000, 4, "trailing"), [999, 749, 499, 249])
    np.testing.assert_array_equal(samplers.timesteps(1000, 4, "leading"), [751, 501, 251, 1])
    with pytest.raises(ValueError, match="spacing='linspace'"):
        samplers.timesteps(1000, 4, "linspace")
    with pytest.raises(ValueError, match="num_steps=0"):
        samplers.timesteps(1000, 0, "trailing")


@pytest.mark.parametrize("spacing", samplers.SPACINGS)
def test_every_number_of_steps_is_that_number(spacing):
    for count in range(1, 1000):
        steps = samplers.timesteps(1000, count, spacing)
        assert len(steps) == count and steps[-1] >= 0 and (np.diff(steps) < 0).all()
        assert spacing == "leading" or steps[0] == 999


def test_plan_ends_at_the_picture():
    plan = samplers.plan(SCHEDULE, 4, "trailing")
    assert plan.alphas_bar[0] == 0 and plan.next_alphas_bar[-1] == 1
    np.testing.assert_array_equal(plan.next_alphas_bar[:-1], plan.alphas_bar[1:])


def _run(kind, denoiser, plan, noisy, rng=None, **options):
    for i in range(len(plan)):
        key = None if rng is None else jax.random.fold_in(rng, i)
        alpha = jnp.asarray(plan.alphas_bar[i])
        noisy = samplers.ddim_step(
            kind, denoiser(noisy, alpha), noisy, alpha, jnp.asarray(plan.next_alphas_bar[i]), rng=key, **options
        )
    return noisy


@pytest.mark.parametrize("kind", ["v_prediction", "sample"])
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_a_perfect_denoiser_finds_the_picture(kind, eta):
    picture = jax.random.normal(jax.random.key(0), (2, 5))
    def perfect(noisy, alpha):
        noise = (noisy - jnp.sqrt(alpha) * picture) / jnp.sqrt(1 - alpha)
        return prediction.target(kind, picture, noise, jnp.full((2,), alpha))

    start = jax.random.normal(jax.random.key(1), (2, 5))
    found = _run(kind, perfect, samplers.plan(SCHEDULE, 10, "trailing"), start, eta=eta, rng=jax.random.key(2))
    np.testing.assert_allclose(found, picture, atol=1e-5)


def test_deterministic_sampler_keeps_a_gaussian():
    """For data ~ N(0, s^2) the best x_0 is linear in x_t and DDIM's ODE maps N(0, 1) onto N(0, s^2)."""
    scale = 0.5
    def best(noisy, alpha):
        return jnp.sqrt(alpha) * scale**2 / (alpha * scale**2 + 1 - alpha) * noisy

    plan = samplers.plan(NoiseSchedule(), 500, "trailing")
    found = _run("sample", best, plan, jnp.ones((1, 1)))
    np.testing.assert_allclose(found, scale, rtol=0.02)


def test_fresh_noise_needs_a_key():
    half = jnp.asarray(0.5)
    with pytest.raises(ValueError, match="pass rng"):
        samplers.ddim_step("sample", jnp.ones((1, 2)), jnp.ones((1, 2)), half, half, eta=1.0)
