import jax.numpy as jnp
import numpy as np

from xdancer_jax.diffusion.guidance import classifier_free


def test_extrapolates_from_the_unconditional_answer():
    conditional, unconditional = jnp.array([2.0]), jnp.array([1.0])
    answers = [float(classifier_free(conditional, unconditional, scale)[0]) for scale in (0.0, 1.0, 3.5)]
    np.testing.assert_allclose(answers, [1.0, 2.0, 4.5])
