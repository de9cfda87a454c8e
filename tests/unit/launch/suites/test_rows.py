"""The rows beside a figure of videos are the same figure of the truth, another clip and the photo."""

import numpy as np
import pytest

from launch.suites import rows
from xdancer_jax.evals.clips import of_array
from xdancer_jax.evals.paired import each, paired_report
from xdancer_jax.evals.protocols import Result
from xdancer_jax.evals.video_quality import FrameL1


@pytest.fixture
def sides():
    rng = np.random.default_rng(0)
    pixels = [rng.integers(0, 256, (2, 3, frames, 4, 4, 3), np.uint8) for frames in (3,)][0]
    real, made = ([of_array(f"clip{i}", 30, frames) for i, frames in enumerate(side)] for side in pixels)
    return real, made, [lambda frames=frames: frames[0] for frames in pixels[0]], pixels


def l1(a, b):
    return np.abs(a.astype(float) - b).mean() / 255


def test_paired_rows(sides):
    real, made, photos, pixels = sides
    found = rows.paired(lambda a, b: paired_report(FrameL1(), a, b, each(FrameL1())), real, made, photos)
    np.testing.assert_allclose(found.values["score"], l1(*pixels))
    np.testing.assert_allclose(found.values["repeat_photo"], l1(pixels[0], np.repeat(pixels[0][:, :1], 3, axis=1)))
    np.testing.assert_allclose(found.values["chance"], l1(pixels[0], np.roll(pixels[1], -1, axis=0)))


def test_chance_takes_clips_of_one_length_and_one_clip_has_none(sides):
    real, made, photos, pixels = sides
    made[1] = of_array("clip1", 30, pixels[1][1][:2])
    assert rows.others(made)[0] == [2]
    assert rows.others(made[:1]) == ([], [])
    found = rows.paired(lambda a, b: paired_report(FrameL1(), a, b, each(FrameL1())), real[:1], made[:1], photos[:1])
    assert np.isnan(found.values["chance"]) and "no row chance" in found.notes[-1]


def test_distance_rows(sides):
    real, made, photos, _ = sides
    seen = []

    def protocol(one, other):
        seen.append(([video.name for video in one], np.stack(list(next(iter(other)).read()))))
        if len(one) < 1:
            raise ValueError("none")
        return Result("d", {}, {"distance": float(len(seen))})

    found = rows.distance(protocol, real, made, photos)
    assert found.values == {"distance": 1.0, "ground_truth": 2.0, "chance": 3.0, "repeat_photo": 4.0}
    everyone = ["clip0", "clip1", "clip2"]
    assert [names for names, _ in seen] == [everyone, ["clip0"], everyone, everyone]
    np.testing.assert_array_equal(seen[3][1], np.repeat(photos[0]()[None], 3, axis=0))


def test_frames_in_disorder_are_the_same_frames_in_another_order_each_time_the_same():
    frames = np.arange(40, dtype=np.uint8).reshape(40, 1, 1, 1)
    one, other = rows.shuffled([of_array("a", 30, frames), of_array("b", 30, frames)])
    read = [np.stack(list(video.read())).ravel() for video in (one, one, other)]
    np.testing.assert_array_equal(np.sort(read[0]), frames.ravel())
    np.testing.assert_array_equal(read[0], read[1])
    assert np.any(read[0] != frames.ravel()) and np.any(read[0] != read[2])
