"""Our DDIM against diffusers' DDIMScheduler; runs only where torch and diffusers are installed."""

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
def test_whole_trajectory(prediction_type, spacing, zero_snr):
    if zero_snr and prediction_type == "epsilon":
        pytest.skip("refused by prediction.check")
    theirs = diffusers.DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=True,
        steps_offset=1, prediction_type=prediction_type, timestep_spacing=spacing, rescale_betas_zero_snr=zero_snr,
    )
    theirs.set_timesteps(10)
    plan = samplers.plan(NoiseSchedule(zero_terminal_snr=zero_snr), 10, spacing)
    np.testing.assert_array_equal(plan.timesteps, theirs.timesteps.numpy())
    start = np.random.default_rng(0).standard_normal((2, 8)).astype(np.float32)
    ours, other = jnp.asarray(start), torch.from_numpy(start)
    for i, t in enumerate(theirs.timesteps):
        # Any smooth function does as a network.
        output, other_output = jnp.sin(ours + 0.1 * i), torch.sin(other + 0.1 * i)
        ours = samplers.ddim_step(
            prediction_type, output, ours, jnp.asarray(plan.alphas_bar[i]), jnp.asarray(plan.next_alphas_bar[i])
        )
        other = theirs.step(other_output, t, other).prev_sample
    np.testing.assert_allclose(ours, other.numpy(), rtol=1e-3, atol=1e-4)
