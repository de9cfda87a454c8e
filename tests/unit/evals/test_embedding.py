import numpy as np
import pytest

from tests.unit.evals.test_clips import numbered
from xdancer_jax.evals.clips import Cut, Video, of_array
from xdancer_jax.evals.embedding import Embedder, embedded, mean_by_video, remembering

MEAN = Embedder("means", lambda pixels: pixels.mean(axis=(1, 2, 3)))
FIRST = Cut(2, "every", stride=2)


def prepare(frames):
    return frames.astype(np.float32)


def failing():
    for i in range(6):
        if i == 5:
            raise OSError("truncated")
        yield np.full((2, 3, 3), i, np.uint8)


def test_rows_follow_videos_whatever_the_batch():
    videos = [numbered("a", 5), numbered("b", 3), numbered("c", 1)]
    shapes = []

    def run(pixels):
        shapes.append(pixels.shape)
        return pixels.mean(axis=(1, 2, 3))

    found = embedded(videos, FIRST, prepare, Embedder("means", run), 2, "real")
    assert found.rows[:, 0].tolist() == [0.5, 2.5, 0.5] and found.videos == ["a", "a", "b"]
    assert set(shapes) == {(2, 2, 2, 3, 3)}  # the last batch too, so that nothing is compiled anew
    assert found.left_out.counts("real") == {"real_too_short": 1, "real_unreadable": 0}
    assert found.left_out.notes("real") == ["real: 1 left out, too short: c (1 frames, 2 needed)"]
    assert mean_by_video(found)[:, 0].tolist() == [1.5, 0.5]


def test_a_clip_is_looked_at_once_by_a_network_that_remembers():
    looked = []

    def run(pixels):
        looked.append(pixels[:, 0, 0, 0, 0].tolist())
        return pixels.mean(axis=(1, 2, 3))

    network = remembering(Embedder("means", run))
    videos = [numbered("a", 6), numbered("b", 4)]
    first, again = (embedded(of, FIRST, prepare, network, 2, "real") for of in (videos, videos[:1]))
    assert looked == [[0, 2], [4, 0], [2, 0]]  # the last for its padding; nothing of the second time
    plain = embedded(videos, FIRST, prepare, MEAN, 2, "real")
    np.testing.assert_array_equal(first.rows, plain.rows)
    np.testing.assert_array_equal(again.rows, plain.rows[:3])
    assert network.weights == "means"


def test_a_video_that_breaks_off_counts_for_nothing():
    videos = [Video("broken", 30.0, (6, 2, 3), failing), numbered("a", 3)]
    found = embedded(videos, FIRST, prepare, MEAN, 1, "made")
    assert found.videos == ["a"] and found.left_out.counts("made")["made_unreadable"] == 1
    assert "broken (truncated)" in found.left_out.notes("made")[0]


def test_nothing_left_says_why():
    with pytest.raises(ValueError, match="made: no clip of 1 videos; made: 1 left out, too short: a"):
        embedded([numbered("a", 1)], FIRST, prepare, MEAN, 2, "made")


def test_features_that_are_not_finite_are_named():
    network = Embedder("log", lambda pixels: np.where(pixels.mean((1, 2, 3)) > 2, np.nan, 1.0))
    with pytest.raises(ValueError, match=r"real: features of 1 of 2 clips are not finite \(a from frame 2\)"):
        embedded([numbered("a", 4)], FIRST, prepare, network, 2, "real")


def test_a_clip_that_is_found_several_times_is_looked_at_once_and_counts_each_time():
    looked = []

    def run(pixels):
        looked.append(len(pixels))
        return pixels.mean(axis=(1, 2, 3))

    videos = [of_array(f"v{i}", 30, np.full((2, 4, 4, 3), 10 * i, np.uint8)) for i in range(2)]
    cut = Cut(2, "random", total=5)  # of two videos that have one clip each
    found = embedded(videos, cut, lambda frames: frames.astype(np.float64), Embedder("", run), 1, "made")
    assert looked == [1, 1] and found.videos == ["v0"] * 3 + ["v1"] * 2
    np.testing.assert_array_equal(found.rows[:, 0], [0, 0, 0, 10, 10])
