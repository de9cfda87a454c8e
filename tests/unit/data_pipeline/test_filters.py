import dataclasses
import tracemalloc

import numpy as np
import pytest

from data_pipeline import filters
from data_pipeline.filters import Corners, Limits, Scores

GOOD = Scores(seconds=5.0, second_person=0.1, person_box=0.275, corner_deviation=20.0, quality=40.0)


def test_a_clip_on_every_limit_is_kept():
    assert filters.reasons(GOOD, Limits()) == []


@pytest.mark.parametrize(("field", "value", "reason"), [
    ("seconds", 4.99, "too_short"), ("second_person", 0.11, "several_people"), ("person_box", 0.27, "person_small"),
    ("corner_deviation", 20.1, "camera_moves"), ("quality", 39.9, "low_quality"),
])
def test_each_limit_drops_by_its_own_name(field, value, reason):
    assert filters.reasons(dataclasses.replace(GOOD, **{field: value}), Limits()) == [reason]


def test_quality_is_off_without_a_limit_or_a_score():
    bad = dataclasses.replace(GOOD, quality=0.0)
    assert filters.reasons(bad, Limits(quality=None)) == []
    assert filters.reasons(dataclasses.replace(GOOD, quality=None), Limits()) == []


def _person(height: float, confidence: float = 0.9, x: float = 0.0) -> np.ndarray:
    person = np.full((60, 3), (np.nan, np.nan, 0), np.float32)
    person[:18, 0], person[:18, 1], person[:18, 2] = x, np.linspace(10, 10 + height, 18), confidence
    return person


@pytest.mark.parametrize(("other", "share"), [
    (_person(50), 0.5), (_person(29), 0.0), (_person(50, 0.49), 0.0), (_person(50, 0.5), 0.5),
])
def test_a_second_body_counts_above_a_size_and_a_confidence(other, share):
    frames = [[_person(100), other], [_person(100)]]
    assert filters.second_person(frames, Limits()) == share
    assert filters.second_person([[other, _person(100)], [_person(100)]], Limits()) == share  # in any order
    assert filters.second_person([[], []], Limits()) == filters.second_person([], Limits()) == 0.0


def test_the_box_is_the_median_share_of_the_frame():
    poses = np.zeros((3, 60, 3), np.float32)
    poses[0, :2] = (10, 20, 0.9), (60, 120, 0.9)  # 50 x 100 of 200 x 100
    poses[1, :2] = (0, 0, 0.9), (100, 200, 0.9)  # the whole frame
    poses[0, 2] = 99, 199, 0.3  # not visible
    assert filters.person_box(poses, 200, 100) == pytest.approx(0.25)  # the third frame shows nobody
    assert filters.person_box(poses[1:2] * (2, 2, 1), 200, 100) == 1.0  # cut at the frame
    poses[1, 0, 0] = np.nan
    assert filters.person_box(poses[1:2], 200, 100) == 0.0


def test_corners_of_a_standing_camera_are_still_whatever_the_dancer_does():
    rng, corners = np.random.default_rng(0), Corners()
    for _ in range(5):
        picture = np.full((100, 60, 3), 77, np.uint8)
        picture[10:90, 10:50] = rng.integers(0, 255, (80, 40, 3))
        corners.add(picture)
    assert corners.deviation(0, 5) == 0.0


def test_corners_that_change_have_the_deviation_of_their_pixels():
    pictures = np.random.default_rng(0).integers(0, 255, (40, 80, 80, 3)).astype(np.uint8)
    corners = Corners()
    for picture in pictures:
        corners.add(picture)
    whole = pictures.std(axis=0).mean()
    assert corners.deviation(0, 40) == pytest.approx(whole, rel=0.02)  # of 256 pixels in place of 6400
    assert corners.deviation(3, 4) == 0.0
    steps = Corners()
    for level in (0, 100):
        steps.add(np.full((64, 64, 3), level, np.uint8))
    assert steps.deviation(0, 2) == 50.0


def test_twenty_minutes_of_corners_are_small():
    corners, picture = Corners(), np.zeros((720, 1280, 3), np.uint8)
    tracemalloc.start()
    try:
        for _ in range(3600):
            corners.add(picture)
        assert tracemalloc.get_traced_memory()[0] < 5 * 2**20
    finally:
        tracemalloc.stop()
    corners.add(np.zeros((3, 2, 3), np.uint8)[:3, :2])  # the smallest pictures have corners too
