import numpy as np

from benchmarks.measures import long_video, solver_distance
from xdancer_jax.stages.video_sampling import Sampler


def test_seams_are_looked_for_where_windows_begin_and_end():
    sampler = Sampler(window=8, overlap=2)
    frames = np.arange(20.0)[:, None]  # windows begin at 0, 6, 12 and end before 8 and 14
    assert long_video.seam_ratio(frames, 20, sampler) == 1
    jumps = np.isin(np.arange(20), [6, 8, 12, 14]).cumsum()[:, None]
    assert long_video.seam_ratio(frames + jumps, 20, sampler) == 2
    shifted = Sampler(window=8, overlap=2, shift=True, num_steps=2)  # by 3 at the last step: 3, 9 and 12 begin
    jumps = np.isin(np.arange(20), [3, 8, 9, 11, 12, 17]).cumsum()[:, None]
    assert long_video.seam_ratio(frames + jumps, 20, shifted) == 2
    assert np.isnan(long_video.seam_ratio(frames[:8], 8, sampler))


def test_the_mixtures_mean_is_the_mode_near_a_mode_and_the_mean_of_all_in_noise():
    means = np.array([[2.0, 0.0], [-2.0, 0.0]], np.float32)
    near = solver_distance.posterior_mean(means[:1], np.float32(1 - 1e-6), means)
    np.testing.assert_allclose(near, means[:1], atol=1e-4)
    noise = solver_distance.posterior_mean(np.ones((1, 2), np.float32), np.float32(0), means)
    np.testing.assert_allclose(noise, means.mean(0, keepdims=True), atol=1e-6)


def test_rows_of_solvers():
    found = solver_distance.rows(samples=4, reference_steps=8, runs=[("ddim", 8)])
    assert [row["schedule"] for row in found] == ["plain", "zero_snr"]
    assert [row["distance"] for row in found] == [0, 0]  # from itself
