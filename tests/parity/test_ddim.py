"""Our DDIM against diffusers' DDIMScheduler, each step from the same latents; runs only where torch and
diffusers are installed."""

import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.diffusion import samplers
from xdancer_jax.diffusion.schedules import NoiseSchedule

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")


@pytest.mark.parametrize("zero_snr", [False, True])
@pytest.mark.parametrize("spacing", ["trailing", "leading"])
@pytest.mark.parametrize("prediction_type", ["v_prediction", "sample", "epsilon"])
def test_each_step(prediction_type, spacing, zero_snr):
    if zero_snr and prediction_type == "epsilon":
        pytest.skip("refused by prediction.check")
    theirs = diffusers.DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=True,
        steps_offset=1, prediction_type=prediction_type, timestep_spacing=spacing, rescale_betas_zero_snr=zero_snr,
    )
    theirs.set_timesteps(10)
    plan = samplers.plan(NoiseSchedule(zero_terminal_snr=zero_snr), 10, spacing)
    np.testing.assert_array_equal(plan.timesteps, theirs.timesteps.numpy())
    noisy = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 8)).astype(np.float32))
    for i, t in enumerate(theirs.timesteps):
        output = torch.sin(noisy + 0.1 * i)  # any smooth function does as a network
        ours = samplers.ddim_step(
            prediction_type, jnp.asarray(output.numpy()), jnp.asarray(noisy.numpy()), jnp.asarray(plan.alphas_bar[i]),
            jnp.asarray(plan.next_alphas_bar[i]),
        )
        noisy = theirs.step(output, t, noisy).prev_sample
        np.testing.assert_allclose(ours, noisy.numpy(), rtol=1e-5, atol=1e-5)
