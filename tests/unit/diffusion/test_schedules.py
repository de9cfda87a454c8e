import numpy as np
import pytest

from xdancer_jax.diffusion.schedules import KINDS, NoiseSchedule, rescale_zero_terminal_snr


def test_scaled_linear_matches_stable_diffusion_figures():
    """First and last alpha_bar that SD1.5's scheduler prints."""
    alphas = NoiseSchedule().alphas_bar
    assert alphas.shape == (1000,) and alphas.dtype == np.float32
    np.testing.assert_allclose(alphas[[0, -1]], [0.99915, 0.00466], rtol=1e-3)


def test_linear_has_the_closed_form_product():
    alphas = NoiseSchedule(kind="linear", num_steps=3, beta_start=0.1, beta_end=0.3).alphas_bar
    np.testing.assert_allclose(alphas, [0.9, 0.9 * 0.8, 0.9 * 0.8 * 0.7], rtol=1e-6)


def test_squared_cosine_follows_its_curve_until_the_cap():
    alphas = NoiseSchedule(kind="squared_cosine", num_steps=1000).alphas_bar
    level = np.cos((np.arange(1, 1001) / 1000 + 0.008) / 1.008 * np.pi / 2) ** 2
    np.testing.assert_allclose(alphas[:990], (level / np.cos(0.008 / 1.008 * np.pi / 2) ** 2)[:990], rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_rescaling_ends_at_zero_keeps_the_start_and_the_order(kind):
    plain, rescaled = NoiseSchedule(kind).alphas_bar, NoiseSchedule(kind, zero_terminal_snr=True).alphas_bar
    assert rescaled[-1] == 0 and plain[-1] > 0
    np.testing.assert_allclose(rescaled[0], plain[0], rtol=1e-6)
    assert (np.diff(rescaled) < 0).all()


def test_rescaling_is_affine_in_the_root():
    alphas = np.array([0.81, 0.49, 0.25])
    np.testing.assert_allclose(np.sqrt(rescale_zero_terminal_snr(alphas)), [0.9, 0.2 * 0.9 / 0.4, 0.0], rtol=1e-12)


def test_unknown_kind_is_named():
    with pytest.raises(ValueError, match="schedule.kind='cosine'"):
        _ = NoiseSchedule(kind="cosine").alphas_bar
