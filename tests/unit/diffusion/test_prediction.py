import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.diffusion import prediction
from xdancer_jax.rng import Chance


def _pair(shape=(3, 2, 4)):
    clean, noise = (jax.random.normal(key, shape) for key in jax.random.split(jax.random.key(0)))
    return clean, noise, jnp.array([0.9, 0.5, 0.1])


def test_add_noise_mixes_by_the_roots():
    clean, noise, _ = _pair()
    mixed = prediction.add_noise(clean, noise, jnp.array([0.64, 1.0, 0.0]))
    expected = jnp.stack([0.8 * clean[0] + 0.6 * noise[0], clean[1], noise[2]])
    np.testing.assert_allclose(mixed, expected, rtol=1e-6)


@pytest.mark.parametrize("kind", prediction.KINDS)
def test_target_converts_back_to_clean_and_noise(kind):
    clean, noise, alpha_bar = _pair()
    noisy = prediction.add_noise(clean, noise, alpha_bar)
    output = prediction.target(kind, clean, noise, alpha_bar)
    back = prediction.to_clean_and_noise(kind, output, noisy, alpha_bar)
    np.testing.assert_allclose(back[0], clean, atol=1e-5)
    np.testing.assert_allclose(back[1], noise, atol=1e-5)


def test_v_at_zero_snr_asks_for_the_picture():
    clean, noise, _ = _pair()
    zero = jnp.zeros(3)
    np.testing.assert_allclose(prediction.target("v_prediction", clean, noise, zero), -clean)
    assert np.isfinite(prediction.to_clean_and_noise("v_prediction", -clean, noise, zero)[1]).all()


def test_min_snr_weights():
    alpha_bar = jnp.array([0.0, 0.5, 10 / 11])  # SNR 0, 1, 10
    def weight(kind):
        return prediction.min_snr_weight(kind, alpha_bar, 5.0)

    np.testing.assert_allclose(weight("sample"), [0, 1, 5], rtol=1e-5)
    np.testing.assert_allclose(weight("epsilon"), [1, 1, 0.5], rtol=1e-5)
    np.testing.assert_allclose(weight("v_prediction"), [1, 1, 5 / 11], rtol=1e-5)


def test_noise_offset_is_shared_by_a_clip_and_channel():
    chance = Chance.whole(jax.random.key(1), 2)
    plain = prediction.sample_noise(chance, (3, 4, 4, 2))
    shifted = prediction.sample_noise(chance, (3, 4, 4, 2), offset=0.5)
    offset = np.asarray(shifted - plain)
    np.testing.assert_allclose(offset, np.broadcast_to(offset[:, :1, :1, :1], offset.shape), atol=1e-6)
    assert len(np.unique(offset[:, 0, 0, 0].round(4))) == 4


def test_epsilon_with_zero_terminal_snr_is_refused():
    with pytest.raises(ValueError, match="zero_terminal_snr"):
        prediction.check("epsilon", True)
    with pytest.raises(ValueError, match="prediction='x0'"):
        prediction.check("x0", False)
