"""What the networks refuse, and that the fast parts of them are what they say; torch is beside them in tests/parity."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.evals.networks import loading
from xdancer_jax.evals.networks.i3d import I3D
from xdancer_jax.evals.networks.perceptual import SMALLEST, Heads, LPIPSNetwork
from xdancer_jax.evals.networks.resnet3d import ResNet3D


def shape_of(network, *shapes):
    specs = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return jax.eval_shape(lambda *x: network.init_with_output(jax.random.key(0), *x)[0], *specs).shape


def test_widths_of_features():
    assert shape_of(I3D(), (2, 9, 224, 224, 3)) == (2, 400)
    assert shape_of(LPIPSNetwork("vgg"), (2, 32, 40, 3), (2, 32, 40, 3)) == (2,)


def test_clips_too_short_or_small_are_refused():
    with pytest.raises(ValueError, match="clips of 8 frames; 9 or more"):
        shape_of(I3D(), (1, 8, 224, 224, 3))
    with pytest.raises(ValueError, match="112 x 224; resize them to 224 x 224"):
        shape_of(I3D(), (1, 16, 112, 224, 3))


@pytest.mark.parametrize("backbone", sorted(SMALLEST))
def test_pictures_too_small_for_lpips(backbone):
    size = SMALLEST[backbone]
    assert shape_of(LPIPSNetwork(backbone), (1, size, size, 3), (1, size, size, 3)) == (1,)
    with pytest.raises(ValueError, match=f"{backbone} needs {size} pixels"):
        shape_of(LPIPSNetwork(backbone), (1, size, size - 1, 3), (1, size, size - 1, 3))


def test_heads_weigh_and_average_by_hand():
    layers = [jnp.full((2, 1 + i, 3, width), i + 1.0) for i, width in enumerate((64, 192, 384, 256, 256))]
    params = {f"lin{i}": jnp.zeros(x.shape[-1]).at[0].set(10.0**-i) for i, x in enumerate(layers)}
    np.testing.assert_allclose(Heads("alex").apply({"params": params}, layers), 1 + 0.2 + 0.03 + 0.004 + 0.0005, 1e-5)


def test_random_weights_run_and_say_so():
    network = ResNet3D((1, 1, 1, 1))
    arrays = loading.random(network, 0)
    made = loading.embedder(network, arrays, "random 0")
    assert made.weights == f"random 0 {loading.digest(arrays)}"
    assert made.weights != loading.embedder(network, loading.random(network, 1), "random 0").weights
    rows = made.run(np.random.default_rng(0).uniform(-100, 100, (2, 3, 16, 16, 3)).astype(np.float32))
    assert rows.shape == (2, 2048) and np.isfinite(rows).all() and np.abs(rows[0] - rows[1]).max() > 1e-3
