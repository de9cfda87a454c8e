import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.diffusion import windows


def test_starts_are_open_ended_and_the_last_is_moved_back():
    np.testing.assert_array_equal(windows.starts(16, 16, 4), [0])
    np.testing.assert_array_equal(windows.starts(28, 16, 4), [0, 12])
    np.testing.assert_array_equal(windows.starts(29, 16, 4), [0, 12, 13])
    np.testing.assert_array_equal(windows.starts(17, 16, 0), [0, 1])


@pytest.mark.parametrize("num_frames", range(6, 40))
def test_every_frame_is_covered_and_neighbours_overlap(num_frames):
    first = windows.starts(num_frames, 6, 2)
    assert set(windows.frame_indices(first, 6).ravel()) == set(range(num_frames))
    assert first[0] == 0 and (np.diff(first) > 0).all() and (np.diff(first) <= 4).all()


def test_average_where_windows_meet():
    first = windows.starts(6, 4, 2)
    values = jnp.stack([jnp.zeros((4, 3)), jnp.full((4, 3), 2.0)])
    np.testing.assert_allclose(windows.average(values, first, 6)[:, 0], [0, 0, 1, 1, 2, 2])


def test_average_of_a_clip_cut_into_windows_is_the_clip():
    clip = jnp.arange(22.0).reshape(11, 2)
    first = windows.starts(11, 4, 1)
    np.testing.assert_allclose(windows.average(clip[windows.frame_indices(first, 4)], first, 11), clip)


def test_refusals():
    with pytest.raises(ValueError, match="overlap=4"):
        windows.starts(10, 4, 4)
    with pytest.raises(ValueError, match="3 frames"):
        windows.starts(3, 4, 1)
