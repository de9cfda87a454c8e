import numpy as np

from data_pipeline.people import Follower, are_several, follow, prominence
from data_pipeline.skeleton import INDEX, NUM_JOINTS

NECK = INDEX["neck"]
SIZE = (400, 600)


def _person(x, y=200.0, size=100.0, score=0.8, seed=0):
    """Someone of `size` pixels in height whose joints lie around (x, y)."""
    xy = np.random.default_rng(seed).uniform(-0.5, 0.5, (NUM_JOINTS, 2)) * (0.4 * size, size) + (x, y)
    return np.concatenate([xy, np.full((NUM_JOINTS, 1), score)], axis=1).astype(np.float32)


def _necks(frames):
    return follow(frames, *SIZE)[:, NECK]


def test_scores_that_take_turns_do_not_make_the_dancer_jump():
    """The best score of each frame, which was taken once, is the other person's in every second frame."""
    frames = [[_person(200 + i, score=0.7), _person(450, size=90, score=0.6 + 0.3 * (i % 2))] for i in range(20)]
    necks = _necks(frames)
    assert np.abs(np.diff(necks[:, 0])).max() < 2


def test_people_who_cross_are_not_exchanged():
    left = [_person(100 + 10 * i, seed=1) for i in range(41)]
    right = [_person(500 - 10 * i, size=90, seed=2, score=0.79) for i in range(41)]
    order = np.random.default_rng(0).integers(0, 2, 41)  # files list people in any order
    frames = [[a, b] if first else [b, a] for a, b, first in zip(left, right, order, strict=True)]
    chosen = follow(frames, *SIZE)
    np.testing.assert_array_equal(chosen, left)


def test_doubles_who_cross_go_on_as_before():
    """Each is nearest to where the other was in the frame after they met."""
    left, right = ([_person(300 + way * (10 * (i - 20) - 3)) for i in range(41)] for way in (1, -1))
    frames = [[left[0]], *zip(right[1:], left[1:], strict=True)]
    np.testing.assert_array_equal(follow(frames, *SIZE), left)


def test_the_first_is_large_sure_and_central():
    dancer = _person(300)
    for other in (_person(300, size=50), _person(300, y=100, score=0.3), _person(30, size=110)):
        np.testing.assert_array_equal(follow([[other, dancer]], *SIZE)[0], dancer)


def test_the_dancer_out_of_sight_is_not_replaced_by_someone_else_until_he_stays_away():
    dancer, other = _person(150), _person(450)
    away = [[other]] * 5
    chosen = follow([[dancer, other], *away, [dancer, other]], *SIZE)
    assert np.isnan(chosen[1:6, :, :2]).all() and not chosen[1:6, :, 2].any()
    np.testing.assert_array_equal(chosen[6], dancer)
    chosen = follow([[dancer, other], *[[other]] * 20], *SIZE)
    assert np.isnan(chosen[15, 0, 0]) and (chosen[16:] == other).all()


def test_who_is_always_alone_is_followed_over_a_cut():
    frames = [[_person(100)], [], [_person(500, size=30)]]
    chosen = follow(frames, *SIZE)
    np.testing.assert_array_equal(chosen[[0, 2]], [frames[0][0], frames[2][0]])
    assert np.isnan(chosen[1, :, :2]).all()


def test_frames_that_come_one_by_one_show_the_same_dancer():
    """As in all frames at once, since the first shows both; until two are seen, whoever is alone is followed."""
    rng = np.random.default_rng(0)
    people = [[_person(150 + 9 * i, seed=1), _person(450 - 9 * i, size=90, seed=2)] for i in range(30)]
    frames = [people[0], *([person for person in pair if rng.random() < 0.6] for pair in people[1:])]
    follower = Follower(*SIZE)
    streamed = np.stack([follower(frame) for frame in frames])
    np.testing.assert_array_equal(streamed, follow(frames, *SIZE))
    assert 0 < np.isnan(streamed[:, 0, 0]).sum() < 29
    dancer, far = _person(100), _person(500)
    alone = Follower(*SIZE)
    assert (alone([dancer])[0] == dancer[0]).all() and (alone([far])[0] == far[0]).all()
    both = Follower(*SIZE, several=True)
    assert (both([dancer])[0] == dancer[0]).all() and np.isnan(both([far])[0, 0])


def test_people_are_several_if_more_than_one_shows_a_joint():
    nobody = np.full((NUM_JOINTS, 3), (np.nan, np.nan, 0), np.float32)
    assert are_several([_person(1), nobody, _person(2)]) and not are_several([_person(1), nobody])
    assert prominence(_person(300), *SIZE) > prominence(_person(10), *SIZE) > prominence(_person(10, size=50), *SIZE)


def test_someone_without_a_joint_is_nobody():
    nobody = np.full((NUM_JOINTS, 3), (np.nan, np.nan, 0), np.float32)
    half = _person(100)
    half[18:] = nobody[18:]
    np.testing.assert_array_equal(follow([[nobody, half], [nobody]], *SIZE), [half, nobody])
