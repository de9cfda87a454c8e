import jax
import jax.numpy as jnp
import numpy as np

from xdancer_jax.train.packing import Packed


def test_what_is_packed_in_a_program_comes_out_as_it_was():
    metrics = {"loss": jnp.float32(0.1), "votes": jnp.array([0, 3], jnp.int32), "table": jnp.arange(6.0).reshape(2, 3)}
    found = jax.jit(Packed.of)(metrics)
    assert found.values.shape == (9,)
    read = found.read()
    assert read.keys() == metrics.keys()
    for name, value in metrics.items():
        np.testing.assert_array_equal(read[name], np.asarray(value, np.float32))
        assert read[name].shape == value.shape
