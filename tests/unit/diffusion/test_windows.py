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
@pytest.mark.parametrize("ways", [1, 3])
def test_every_frame_is_covered_and_neighbours_overlap(num_frames, ways):
    batches = windows.frame_indices(num_frames, 6, 2, ways)
    assert batches.shape[1:] == (ways, 6)
    rows = batches.reshape(-1, 6)
    real = rows[rows[:, 0] < num_frames]
    assert set(real.ravel()) == set(range(num_frames)) and (np.diff(real, axis=1) == 1).all()
    first = real[:, 0]
    assert first[0] == 0 and (np.diff(first) > 0).all() and (np.diff(first) <= 4).all()
    assert len(rows) - len(real) < ways and (rows[len(real) :] == num_frames).all()
    covered = (real[..., None] == range(num_frames)).sum((0, 1))
    np.testing.assert_array_equal(windows.coverage(batches, num_frames, np.ones(6, np.float32)), covered)


@pytest.mark.parametrize("num_frames", range(6, 24))
def test_shifted_windows_cover_all_frames_and_overlap(num_frames):
    for shift in range(4):
        first = windows.starts(num_frames, 6, 2, shift)
        assert first[0] == 0 and first[-1] == num_frames - 6
        assert (np.diff(first) > 0).all() and (np.diff(first) <= 4).all()
        inner = first[1:-1]
        np.testing.assert_array_equal(inner % 4, np.full(len(inner), -shift % 4))


def test_shifts_go_over_the_stride_evenly():
    assert [windows.shift(step, 16, 8) for step in range(9)] == [0, 4, 2, 6, 1, 5, 3, 7, 0]
    assert {windows.shift(step, 6, 5) for step in range(20)} == {0}


def test_ramps_of_neighbours_add_up_to_one():
    ramp = windows.weights("ramp", 8, 3)
    np.testing.assert_allclose(ramp, [0.25, 0.5, 0.75, 1, 1, 0.75, 0.5, 0.25])
    np.testing.assert_allclose(ramp[-3:] + ramp[:3], 1)
    np.testing.assert_array_equal(windows.weights("uniform", 8, 3), np.ones(8))
    with pytest.raises(ValueError, match="weights='hann'"):
        windows.weights("hann", 8, 3)


def laid(values, indices, num_frames, kind="uniform", overlap=1):
    """The weighted mean over windows (n, B, F, *S), batch after batch."""
    weights = windows.weights(kind, indices.shape[2], overlap)
    total = jnp.zeros((num_frames, *values.shape[3:]))
    for batch, frames in zip(values, indices, strict=True):
        total = windows.add(total, batch, jnp.asarray(frames), jnp.asarray(weights))
    return total / windows.coverage(indices, num_frames, weights)[:, None]


def test_mean_where_windows_meet():
    indices = windows.frame_indices(6, 4, 2)
    values = jnp.stack([jnp.zeros((1, 4, 3)), jnp.full((1, 4, 3), 2.0)])
    np.testing.assert_allclose(laid(values, indices, 6)[:, 0], [0, 0, 1, 1, 2, 2])


def test_ramps_lead_from_one_window_to_the_next():
    indices = windows.frame_indices(9, 6, 3)
    values = jnp.stack([jnp.zeros((1, 6, 1)), jnp.full((1, 6, 1), 4.0)])
    np.testing.assert_allclose(laid(values, indices, 9, "ramp", 3)[:, 0], [0, 0, 0, 1, 2, 3, 4, 4, 4])


@pytest.mark.parametrize("kind", windows.WEIGHTS)
@pytest.mark.parametrize("ways", [1, 2, 3])
def test_the_mean_of_a_clip_cut_into_windows_is_the_clip(ways, kind):
    clip = jnp.arange(1.0, 23.0).reshape(11, 2)
    indices = windows.frame_indices(11, 4, 1, ways)
    values = jnp.stack([windows.take(clip, jnp.asarray(batch)) for batch in indices])
    np.testing.assert_allclose(laid(values, indices, 11, kind), clip, rtol=1e-6)


def test_frames_beyond_the_end_are_the_last():
    np.testing.assert_array_equal(windows.take(jnp.arange(4.0), jnp.array([[2, 3], [4, 9]])), [[2, 3], [3, 3]])


def test_refusals():
    with pytest.raises(ValueError, match="overlap=4"):
        windows.starts(10, 4, 4)
    with pytest.raises(ValueError, match="3 frames"):
        windows.starts(3, 4, 1)
