import numpy as np
import pytest

from data_pipeline import unseen
from data_pipeline.skeleton import INDEX, LEFT_HAND_START, NUM_JOINTS, RIGHT_HAND_START

NECK, HIP, KNEE, ANKLE = (INDEX[name] for name in ("neck", "left_hip", "left_knee", "left_ankle"))


@pytest.mark.parametrize(
    "row",
    [(0, 0, 0), (0, 0, 0.9), (-1, -1, -1), (-1, -1, 0.5), (np.nan, 3, 0.5), (None, None, None), (np.inf, 1, 1),
     (1e300, 1, 1)],
)  # fmt: skip
def test_every_way_to_say_unseen_means_unseen(row):
    marked = unseen.mark(np.array([row, (5, 6, 0.7)], np.float64))
    assert np.isnan(marked[0, :2]).all() and marked[0, 2] == 0
    np.testing.assert_allclose(marked[1], (5, 6, 0.7), rtol=1e-6)
    assert unseen.placed(marked).tolist() == [False, True]


@pytest.mark.parametrize(
    ("row", "kept"),
    [
        ((0, 5, 0.5), (0, 5, 0.5)), ((-20, 5, 0.5), (-20, 5, 0.5)), ((4, 5, np.nan), (4, 5, 0)),
        ((4, 5, 1.06), (4, 5, 1)),
    ],
)  # fmt: skip
def test_a_place_at_the_border_and_a_score_of_no_number_are_kept(row, kept):
    np.testing.assert_array_equal(unseen.mark(np.array([row])), np.float32([kept]))


def _clip(frames=5):
    """A body whose joint i lies at (100 + i, 200 + 2i), and that moves 10 pixels a frame to the right."""
    i, t = np.arange(NUM_JOINTS), np.arange(frames)[:, None]
    return np.stack([100 + i + 10 * t, 200 + 2 * i + 0 * t, np.ones((frames, NUM_JOINTS))], axis=-1).astype(np.float32)


def test_an_unseen_joint_keeps_its_offset_from_its_parent():
    clip = _clip()
    expected = clip.copy()
    clip[1:3, KNEE] = np.nan, np.nan, 0
    clip[4, KNEE] = np.nan, np.nan, 0
    expected[[1, 2, 4], KNEE, 2] = 0
    np.testing.assert_allclose(unseen.fill(clip, np.arange(5.0)), expected, atol=1e-4)


def test_a_joint_that_is_never_seen_lies_at_its_parent():
    clip = _clip()
    clip[:, [KNEE, ANKLE]] = np.nan, np.nan, 0
    clip[:, RIGHT_HAND_START:] = np.nan, np.nan, 0
    filled = unseen.fill(clip, np.arange(5.0))
    np.testing.assert_array_equal(filled[:, ANKLE, :2], clip[:, HIP, :2])
    wrist = clip[:, None, INDEX["right_wrist"], :2]
    np.testing.assert_array_equal(filled[:, RIGHT_HAND_START:, :2], np.repeat(wrist, 21, axis=1))
    assert (filled[:, RIGHT_HAND_START:, 2] == 0).all() and (filled[:, LEFT_HAND_START, 2] == 1).all()


def test_a_frame_without_anybody_holds_the_body_between_its_neighbours():
    clip = _clip()
    expected = clip.copy()
    clip[1:3] = clip[4] = np.nan, np.nan, 0
    expected[1:3, :, 2] = expected[4, :, 2] = 0
    expected[4, :, :2] = expected[3, :, :2]
    np.testing.assert_allclose(unseen.fill(clip, np.arange(5.0)), expected, atol=1e-4)
    late = unseen.fill(clip, np.array([0, 0.1, 0.2, 1, 1.1]))  # goes by time, not by number
    np.testing.assert_allclose(late[1:3, NECK, 0], clip[0, NECK, 0] + np.array([3, 6]), atol=1e-4)


def test_without_a_neck_the_body_hangs_on_the_middle_of_what_is_seen():
    clip = np.full((2, NUM_JOINTS, 3), (np.nan, np.nan, 0), np.float32)
    clip[:, HIP], clip[:, KNEE] = (10, 20, 1), (30, 40, 1)
    filled = unseen.fill(clip, np.arange(2.0))
    np.testing.assert_array_equal(filled[:, NECK], [[20, 30, 0]] * 2)
    np.testing.assert_array_equal(filled[:, KNEE], clip[:, KNEE])
    assert not unseen.fill(_nobody(), np.arange(2.0)).any()


def _nobody():
    return np.full((2, NUM_JOINTS, 3), (np.nan, np.nan, 0), np.float32)


def test_a_tally_counts_the_scores_of_joints_that_have_a_place():
    tally = unseen.Tally()
    rows = [(5, 5, 1.2), (5, 5, np.nan), (5, 5, -1), (5, 5, 1), (np.nan, 5, np.nan), (0, 0, 3), (5, 5, 0)]
    marked = tally.mark(np.array(rows))
    np.testing.assert_array_equal(marked, unseen.mark(np.array(rows)))
    tally.mark(np.array(rows[:1]))
    assert (tally.clipped, tally.zeroed) == (2, 2)
